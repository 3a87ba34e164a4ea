"""A trial's state on disk: written whole or not at all, and read with care."""

import io
import os
import pickle
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch

from autoencoder_hpo.errors import CheckpointError

VERSION = 1


def save_checkpoint(path: Path, state: dict[str, Any], *, config: dict[str, Any]) -> None:
    """Write beside the name, then rename: a reader finds the old state or the new one.

    `config` says what the state belongs to. Raises OSError where the disk does.
    """
    whole = io.BytesIO()  # torch raises RuntimeError, not OSError, when a disk is full
    torch.save({"version": VERSION, "config": config, "state": state}, whole)
    beside = path.with_suffix(".part")
    try:
        with beside.open("wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_checkpoint(path: Path, *, config: dict[str, Any]) -> dict[str, Any]:
    """The state that was saved for this config; nothing in the file is executed.

    Raises:
        CheckpointError: it is damaged, of another version, or belongs to something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, BadZipFile) as error:
        raise CheckpointError(f"{path}: the checkpoint is damaged") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise CheckpointError(f"{path}: the checkpoint was written by another version")
    if content["config"] != config:
        raise CheckpointError(f"{path}: the checkpoint belongs to another trial")
    state: dict[str, Any] = content["state"]
    return state
