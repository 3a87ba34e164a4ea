"""Models, optimizers and images small enough to train in a blink."""

import io
from typing import Any

import torch

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.training.folds import FoldedTraining
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.prepared import DeviceData, prepare

MODELS = {
    "mlp": {"kind": "mlp", "depth": 1, "width": 32, "latent": 8},
    "conv": {"kind": "conv", "depth": 1, "channels": 4, "latent": 8},
    "unet": {"kind": "unet", "depth": 1, "channels": 4},
}
OPTIMIZERS = {
    "adam": {"kind": "adam", "learning_rate": 1e-2},
    "adamw": {"kind": "adamw", "learning_rate": 1e-2, "weight_decay": 0.01},
    "sgd": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    "rmsprop": {"kind": "rmsprop", "learning_rate": 1e-3, "momentum": 0.5},
}
TASK = Task.model_validate(
    {
        "data": {"dataset": "digits"},
        "corruption": {"kind": "gaussian", "sigma": 0.2},
        "epochs": 4,
    }
)


def images(number: int, seed: int) -> torch.Tensor:
    """Smooth blobs: something that can be restored."""
    centre = torch.rand(number, 2, 1, 1, generator=torch.Generator().manual_seed(seed)) * 8
    rows, columns = torch.arange(8).view(1, 8, 1), torch.arange(8).view(1, 1, 8)
    squared = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2
    return torch.exp(-squared / 6).unsqueeze(1)


def prepared(task: Task = TASK) -> DeviceData:
    train, validation = ImageSet(images(97, 1)), ImageSet(images(40, 2))
    return prepare(train, validation, task, torch.device("cpu"))


def config(kind: str = "mlp", **changes: Any) -> TrialConfig:
    style = {"dropout": 0.2, "normalization": "batch"}
    base = {"model": {**MODELS[kind], **style}, "optimizer": OPTIMIZERS["adam"], "batch_size": 16}
    return TrialConfig.model_validate({**base, **changes})


def training(trial: TrialConfig | None = None, **how: Any) -> Training:
    return Training(TASK, trial or config(), prepared(), seed=how.pop("seed", 5), **how)


def stored(state: dict[str, Any]) -> dict[str, Any]:
    """A state as it comes back from a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)  # type: ignore[no-any-return]


def saved_midway(train: Training | FoldedTraining) -> list[bytes]:
    """Its states as they are saved within epochs, while it trains to the end."""
    saved: list[bytes] = []

    def save() -> None:
        file = io.BytesIO()
        torch.save(train.state_dict(), file)
        saved.append(file.getvalue())

    for part in train.trainings if isinstance(train, FoldedTraining) else [train]:
        part.save = save
    assert len(list(train)) == TASK.epochs
    return saved
