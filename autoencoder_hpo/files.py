"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def write_atomically(
    path: Path, *, overwrite: bool = True, durable: bool = False
) -> Iterator[BinaryIO]:
    """A file beside the name, which gets the name when the block ends without an error.

    A reader finds the old content or the new one. After an error or a full disk the old content
    stays, and nothing is left beside it. A link in its place is replaced, not followed.

    Args:
        overwrite: False leaves alone what has the name by then.
        durable: the content is on the disk, not only in its cache, before it gets the name.

    Raises:
        FileExistsError: something has the name, and it is not to be overwritten.
        OSError: the folder cannot be written.
    """
    beside = path.with_name(f".{path.name[:50]}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if overwrite:
            beside.replace(path)
        else:
            _name_new(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _name_new(beside: Path, path: Path) -> None:
    """A link fails where there is something by now; not all file systems have links."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        beside.replace(path)
