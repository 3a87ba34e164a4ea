"""Checkpoints: whole, ours and of this trial, or refused in one line."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import config_of, study_file

from autoencoder_hpo.errors import CheckpointError
from autoencoder_hpo.training.checkpoint import (
    VERSION,
    Identity,
    load_checkpoint,
    save_checkpoint,
)

FILE = study_file()
OURS = Identity(config_of(FILE), FILE.study.task, {"seed": 1})


def test_a_checkpoint_of_another_trial_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"a": torch.ones(2)}, OURS)
    assert torch.equal(load_checkpoint(path, OURS)["a"], torch.ones(2))
    wider = config_of(study_file(trial={"model": {"kind": "mlp", "depth": 1, "width": 9}}))
    longer = OURS.task.model_copy(update={"epochs": 99})
    for other in (
        replace(OURS, config=wider),
        replace(OURS, task=longer),
        replace(OURS, more={"seed": 2}),
        replace(OURS, more={"seed": 1, "precision": "bfloat16"}),
    ):
        with pytest.raises(CheckpointError, match="belongs to another trial"):
            load_checkpoint(path, other)


@pytest.mark.parametrize("part", ["config", "task"])
def test_a_checkpoint_of_before_a_field_was_added_is_still_its_trials(
    tmp_path: Path, part: str
) -> None:
    """What is missing in it has its default; where the trial says otherwise, it is another one."""
    path, stored = tmp_path / "c.pt", OURS.as_record()
    missing = {"config": "gradient_clip", "task": "folds"}[part]
    del stored[part][missing]
    torch.save({"version": VERSION, "config": stored, "state": {"epoch": 3}}, path)
    assert load_checkpoint(path, OURS) == {"epoch": 3}
    said = getattr(OURS, part).model_copy(update={missing: 2})
    with pytest.raises(CheckpointError, match="belongs to another trial"):
        load_checkpoint(path, replace(OURS, **{part: said}))


def test_a_checkpoint_of_something_that_is_no_config_is_refused(tmp_path: Path) -> None:
    torch.save({"version": VERSION, "config": {"config": 3}, "state": {}}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="belongs to another trial"):
        load_checkpoint(tmp_path / "c.pt", OURS)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"a": torch.ones(2000)}, OURS)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, OURS)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, OURS)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"version": VERSION, "config": OURS.as_record(), "state": {"a": Path("x")}}, path)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, OURS)


def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"epoch": 1}, OURS)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"epoch": 2}, OURS)
    assert load_checkpoint(path, OURS) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_any_flipped_bit_is_refused_or_harmless(tmp_path: Path) -> None:
    path, weights = tmp_path / "c.pt", torch.linspace(0, 1, 50)
    save_checkpoint(path, {"weights": weights}, OURS)
    whole, draw = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            state = load_checkpoint(path, OURS)
        except CheckpointError:
            refused += 1
        else:
            assert torch.equal(state["weights"], weights)
    assert refused > 50


@pytest.mark.parametrize("content", [{"version": VERSION}, [1], {"state": {}}, 3])
def test_something_else_that_torch_saved_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path / "c.pt", OURS)


def test_another_version_is_refused(tmp_path: Path) -> None:
    torch.save({"version": VERSION - 1, "config": OURS.as_record(), "state": {}}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="another version"):
        load_checkpoint(tmp_path / "c.pt", OURS)


def test_a_missing_checkpoint_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load_checkpoint(tmp_path / "c.pt", OURS)


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.pt", {}, OURS)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
