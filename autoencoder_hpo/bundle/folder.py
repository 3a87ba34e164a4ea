"""A folder that is there whole or not at all."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from autoencoder_hpo.errors import BundleError, DiskError

_UNFINISHED, _REPLACED = ".part", ".old"


def write_folder(folder: Path, contents: Mapping[str, bytes], *, replaces: str | None) -> None:
    """Write files in their order into a folder beside this one, which then takes its name.

    Every file is on the disk before the name is. Whatever kills this process leaves nothing under
    the name but a whole folder: the new one, or until the end the one that was there; between the
    two renames that replace a folder there is none. What a killed process left beside it is
    removed by the next that writes here.

    Args:
        contents: bytes by name; a name may have one folder before it.
        replaces: a folder that holds a file of this name is replaced; None replaces nothing.

    Raises:
        BundleError: something else is there already.
        DiskError: the disk is full or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    check_free(folder, replaces=replaces)
    try:
        with _beside(folder) as beside:
            for name, content in contents.items():
                _write(beside / name, content)
            for made in {beside, *((beside / name).parent for name in contents)}:
                _flush(made)
            _put(beside, folder, replaces=replaces)
        _flush(folder.parent)
    except OSError as error:
        raise DiskError(
            f"{folder}: {error.strerror}; free some space, or write to another folder"
        ) from error


def check_free(folder: Path, *, replaces: str | None) -> None:
    """Raises BundleError: something is there that may not be replaced."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    if replaces is None:
        raise BundleError(f"{folder}: there is something already; name another folder")
    if folder.is_symlink() or not (folder / replaces).is_file():
        raise BundleError(f"{folder}: this is no bundle and stays; name another folder")


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder, locked while it is written: a lock goes with its process, however that ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    beside.mkdir()
    with _opened(beside) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield beside
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    for path in _left_beside(folder, _UNFINISHED):
        with suppress(OSError), _opened(path) as lock:  # being written, somebody else's, or gone
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


def _left_beside(folder: Path, suffix: str) -> list[Path]:
    return [
        path
        for path in folder.parent.iterdir()
        if path.name.startswith(f".{folder.name}.") and path.suffix == suffix
    ]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _put(beside: Path, folder: Path, *, replaces: str | None) -> None:
    """A folder with files in it cannot be renamed over: it makes way first."""
    check_free(folder, replaces=replaces)
    old = beside.with_suffix(_REPLACED)
    if replaces is not None and folder.exists():
        folder.rename(old)
    try:
        beside.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    for path in _left_beside(folder, _REPLACED):
        shutil.rmtree(path, ignore_errors=True)
