"""Files that are there whole or not at all."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from autoencoder_hpo.errors import DataError, DiskError


def write_whole(
    target: Path, content: Callable[[BinaryIO], None], *, overwrite: bool = False
) -> None:
    """Write beside the name, then give it the name; whatever happens before, nothing is left.

    A link in the target's place is replaced, and what it points to stays as it is.

    Raises:
        DataError: there is such a file, and it is not to be overwritten.
        OSError: the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        with beside.open("xb") as file:
            content(file)
        if overwrite:
            beside.replace(target)
        else:
            _name_new(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def write_out(content: Callable[[BinaryIO], None]) -> None:
    """To standard output. NumPy and Pillow ask a file where they are in it; a pipe cannot say."""
    whole = io.BytesIO()
    content(whole)
    sys.stdout.buffer.write(whole.getbuffer())
    sys.stdout.buffer.flush()


def check_folder(folder: Path) -> None:
    """Make sure that files can be written there, before anything is computed.

    Raises:
        DiskError: they cannot.
    """
    probe = folder / f".{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DiskError(
            f"{folder}: cannot be written ({error.strerror}); choose another"
        ) from error


def _name_new(beside: Path, target: Path) -> None:
    """A link fails where there is something by now; not all file systems have links."""
    try:
        os.link(beside, target)
    except FileExistsError:
        raise DataError("exists already") from None
    except OSError:
        if os.path.lexists(target):
            raise DataError("exists already") from None
        beside.replace(target)
