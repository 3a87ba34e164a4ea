"""A trial's state on disk: written whole or not at all, and read with care."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import ValidationError

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.errors import CheckpointError
from autoencoder_hpo.files import write_atomically

VERSION = 4


State = dict[str, Any]
"""Of a training, as `torch.save` keeps it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a training is of; a state belongs to one alone. `more`: JSON values that tell it apart.

    Configs are compared as values: a field that was added since a state was saved, and that has
    its default, makes it no other training.
    """

    config: TrialConfig
    task: Task
    more: Mapping[str, object] = field(default_factory=dict)

    def as_record(self) -> dict[str, object]:
        return {
            "config": self.config.model_dump(mode="json"),
            "task": self.task.model_dump(mode="json"),
            **self.more,
        }

    def is_of(self, record: Mapping[str, object]) -> bool:
        """Whether this is the identity that was stored so."""
        more = {name: value for name, value in record.items() if name not in ("config", "task")}
        try:
            config = TrialConfig.model_validate(record.get("config"))
            task = Task.model_validate(record.get("task"))
        except ValidationError:
            return False
        return (config, task, more) == (self.config, self.task, {**self.more})


def save_checkpoint(path: Path, state: State, identity: Identity) -> None:
    """Keep the state with what it belongs to. Raises OSError where the disk does."""
    whole = io.BytesIO()  # torch raises RuntimeError, not OSError, when a disk is full
    torch.save({"version": VERSION, "config": identity.as_record(), "state": state}, whole)
    with write_atomically(path, durable=True) as file:
        file.write(whole.getbuffer())


def load_checkpoint(path: Path, identity: Identity) -> State:
    """The state that was saved for this training; nothing in the file is executed.

    Raises:
        CheckpointError: it cannot be read, is damaged, of another version, or belongs to
            something else.
    """
    match _read(path):
        case {"version": int(version), "config": dict(found), "state": dict(state)}:
            pass
        case _:
            raise CheckpointError(f"{path}: the checkpoint is damaged")
    if version != VERSION:
        raise CheckpointError(f"{path}: the checkpoint was written by another version")
    if not identity.is_of(found):
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
