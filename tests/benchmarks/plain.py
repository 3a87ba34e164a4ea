"""What a user would write instead: a data set, `ToTensor`, a DataLoader, an eager float32 loop.

The peer of the speed benchmarks, as the examples of torchvision and Optuna do it. It trains the
same architectures on the same images with the same noise.
"""

import gzip
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.data.torchvision_sets import DEBIAN
from autoencoder_hpo.models import build_model

SIGMA = 0.2
TRAIN, VALIDATION = 4096, 512


def task_of_plain(
    epochs: int = 1000, train: int = TRAIN, validation: int = VALIDATION
) -> dict[str, Any]:
    """What it learns, in the words of our study files."""
    return {
        "data": {"dataset": "fashion_mnist", "train": train, "validation": validation},
        "corruption": {"kind": "gaussian", "sigma": SIGMA},
        "epochs": epochs,
    }


def fashion_mnist(folder: Path) -> FashionMNIST:
    """The data set in torchvision's own layout; Debian's copy, where there is one."""
    raw = folder / "FashionMNIST" / "raw"
    if DEBIAN.is_dir() and not raw.is_dir():
        raw.mkdir(parents=True)
        for packed in DEBIAN.glob("*.gz"):
            with gzip.open(packed) as source, (raw / packed.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
    return FashionMNIST(folder, download=True, transform=transforms.ToTensor())


class PlainTraining:
    """A model, an optimizer, two loaders."""

    def __init__(
        self,
        config: TrialConfig,
        images: Dataset[Any],
        *,
        train: int,
        validation: int,
        device: torch.device,
        workers: int,
    ) -> None:
        self.device = device
        self.model = build_model(config.model, (1, 28, 28), mean=0.0, std=1.0).to(device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.optimizer.learning_rate
        )
        self.loss = nn.MSELoss()
        self.train_loader = self._loader(
            Subset(images, range(train)), config.batch_size, workers, shuffle=True
        )
        self.val_loader = self._loader(
            Subset(images, range(train, train + validation)), config.batch_size, workers
        )

    def _loader(
        self, images: Dataset[Any], batch_size: int, workers: int, *, shuffle: bool = False
    ) -> DataLoader[Tensor]:
        return DataLoader(
            images,
            batch_size,
            shuffle=shuffle,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=self.device.type == "cuda",
        )

    def train_epoch(self) -> float:
        """Train and validate once; returns the validation MSE."""
        self.model.train()
        total = 0.0
        for clean, noisy in self._batches(self.train_loader):
            self.optimizer.zero_grad()
            loss = self.loss(self.model(noisy), clean)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(clean)
        self.model.eval()
        total, seen = 0.0, 0
        with torch.no_grad():
            for clean, noisy in self._batches(self.val_loader):
                total += self.loss(self.model(noisy), clean).item() * len(clean)
                seen += len(clean)
        return total / seen

    def _batches(self, loader: DataLoader[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for images, _ in loader:
            clean = images.to(self.device)
            yield clean, (clean + SIGMA * torch.randn_like(clean)).clamp(0, 1)


def best_worker_count(config: TrialConfig, images: FashionMNIST, device: torch.device) -> int:
    """The number of loader processes with which the plain style is fastest here."""

    def seconds(workers: int) -> float:
        training = PlainTraining(
            config, images, train=2048, validation=512, device=device, workers=workers
        )
        training.train_epoch()
        started = time.monotonic()
        training.train_epoch()
        return time.monotonic() - started

    return min((0, 1, 2, 4), key=seconds)
