"""A trial's state on disk: written whole or not at all, and read with care."""

import io
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from autoencoder_hpo.errors import CheckpointError
from autoencoder_hpo.files import write_atomically

VERSION = 4


def save_checkpoint(path: Path, state: dict[str, Any], *, config: dict[str, Any]) -> None:
    """Keep the state; `config` says what it belongs to. Raises OSError where the disk does."""
    whole = io.BytesIO()  # torch raises RuntimeError, not OSError, when a disk is full
    torch.save({"version": VERSION, "config": config, "state": state}, whole)
    with write_atomically(path, durable=True) as file:
        file.write(whole.getbuffer())


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
