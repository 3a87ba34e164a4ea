"""One retraining: stopped and resumed to the same weights, stored whole, never taken for another."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support import after, merged, study_file

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.data.splits import load_search_data
from autoencoder_hpo.errors import DiskError
from autoencoder_hpo.finalize import retraining
from autoencoder_hpo.finalize.retraining import How, Job, read_result, result_path, retrain
from autoencoder_hpo.training.loop import Cancelled
from autoencoder_hpo.training.prepared import DeviceData, prepare
from autoencoder_hpo.training.results import EpochResult

CONFIG: dict[str, Any] = {
    "model": {"kind": "mlp", "depth": 1, "width": 16, "latent": 8, "dropout": 0.1},
    "batch_size": 64,
}


@pytest.fixture(autouse=True)
def _every_epoch_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retraining, "SAVE_S", 0.0)


def job(*, epochs: int = 4, **config: Any) -> Job:
    task = study_file().study.task.model_copy(update={"epochs": epochs})
    return Job(
        trial=3,
        repeat=0,
        task=task,
        config=TrialConfig.model_validate(merged(CONFIG, config)),
        seed=1,
        best_by=Metric.VAL_MSE,
        data_hash="x",
        how=How("cpu", 1, "float32"),
    )


@pytest.fixture(scope="module")
def data() -> DeviceData:
    task: Task = study_file().study.task
    images = load_search_data(task, base=Path("/"), datasets=Path("/nowhere"))
    return prepare(images.train, images.validation, task, torch.device("cpu"))


@pytest.mark.parametrize("stopped_after", [2, 7, 14])
def test_stopped_anywhere_it_comes_to_the_same_file(
    tmp_path: Path, data: DeviceData, stopped_after: int
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    retrain(job(), data, whole)
    with pytest.raises(Cancelled):
        retrain(job(), data, parts, cancelled=after(stopped_after))
    assert not result_path(job(), parts).exists()
    epochs: list[EpochResult] = []
    asked: list[None] = []
    retrain(
        job(), data, parts, epoch_done=epochs.append, cancelled=lambda: bool(asked.append(None))
    )
    assert [result.epoch for result in epochs] == [1, 2, 3, 4]
    steps, restoring = 5, 1  # four batches and one of validation; once more at the end
    assert len(asked) == steps * 4 - stopped_after + restoring  # nothing is trained again
    one, other = (result_path(job(), folder).read_bytes() for folder in (whole, parts))
    assert one == other
    assert [path.name for path in parts.iterdir()] == ["trial-3-seed-0.safetensors"]


def test_what_is_done_is_read_and_not_trained(tmp_path: Path, data: DeviceData) -> None:
    first = retrain(job(), data, tmp_path)
    again = retrain(job(), data, tmp_path, cancelled=lambda: True)
    assert torch.equal(first.values_N, again.values_N)
    assert first.values_N.shape == (64,)
    assert first.epochs == 4


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"data_hash": "y"},
        {"how": How("cpu", 2, "float32")},
        {"config": job(batch_size=32).config},
    ],
)
def test_another_job_does_not_take_it(
    tmp_path: Path, data: DeviceData, change: dict[str, Any]
) -> None:
    retrain(job(epochs=1), data, tmp_path)
    assert read_result(job(epochs=1), tmp_path) is not None
    assert read_result(replace(job(epochs=1), **change), tmp_path) is None


def test_a_damaged_result_is_said_and_trained_again(
    tmp_path: Path, data: DeviceData, caplog: pytest.LogCaptureFixture
) -> None:
    retrain(job(epochs=1), data, tmp_path)
    path = result_path(job(epochs=1), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    retrain(job(epochs=1), data, tmp_path)
    assert path.read_bytes() == content
    assert "it is trained again" in caplog.text


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, data: DeviceData) -> None:
    with pytest.raises(DiskError, match=r"checkpoint: No such file.*the same command goes on"):
        retrain(job(epochs=1), data, tmp_path / "gone")


def test_early_stopping_ends_it(tmp_path: Path, data: DeviceData) -> None:
    still = {"early_stopping": 2, "optimizer": {"kind": "adam", "learning_rate": 1e-12}}
    assert retrain(job(epochs=50, **still), data, tmp_path).epochs < 10


def test_a_loss_that_is_not_finite_is_no_result(tmp_path: Path, data: DeviceData) -> None:
    explodes = {
        "optimizer": {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.9},
        "model": {
            "kind": "mlp", "depth": 4, "width": 32, "taper": 1.0, "output": "linear",
            "activation": "elu",
        },
    }  # fmt: skip
    result = retrain(job(epochs=20, **explodes), data, tmp_path)
    assert result.epochs < 20 or result.diverged
