"""A trial's state on disk: written whole or not at all, and read with care."""

import io
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from autoencoder_hpo.errors import CheckpointError

VERSION = 4


def save_checkpoint(path: Path, state: dict[str, Any], *, config: dict[str, Any]) -> None:
    """Keep the state; `config` says what it belongs to. Raises OSError where the disk does."""
    whole = io.BytesIO()  # torch raises RuntimeError, not OSError, when a disk is full
    torch.save({"version": VERSION, "config": config, "state": state}, whole)
    write_whole(path, whole.getbuffer())


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write beside the name, then rename: a reader finds the old content or the new.

    Raises OSError where the disk does.
    """
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_checkpoint(path: Path, *, config: dict[str, Any]) -> dict[str, Any]:
    """The state that was saved for this config; nothing in the file is executed.

    Raises:
        CheckpointError: it cannot be read, is damaged, of another version, or belongs to
            something else.
    """
    match _read(path):
        case {"version": int(version), "config": found, "state": dict(state)}:
            pass
        case _:
            raise CheckpointError(f"{path}: the checkpoint is damaged")
    if version != VERSION:
        raise CheckpointError(f"{path}: the checkpoint was written by another version")
    if found != config:
        raise CheckpointError(f"{path}: the checkpoint belongs to another trial")
    return state


def _read(path: Path) -> object:
    try:
        whole = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: the checkpoint cannot be read: {error.strerror}") from error
    try:
        _compare_checksums(whole)
        return torch.load(whole, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise almost anything
        raise CheckpointError(f"{path}: the checkpoint is damaged") from error


def _compare_checksums(whole: io.BytesIO) -> None:
    """Torch writes checksums but does not read them: a flipped bit would be a changed weight."""
    with ZipFile(whole) as records:
        if records.testzip() is not None:
            raise BadZipFile
    whole.seek(0)
