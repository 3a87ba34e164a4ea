"""A split's images on the device that trains on them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from autoencoder_hpo.config import Task
from autoencoder_hpo.data.corruption import validation_noise
from autoencoder_hpo.data.splits import ImageSet

CHUNK = 512  # images validated at once


@dataclass(frozen=True, slots=True, eq=False)
class DeviceData:
    """Training and validation images, [N, C, H, W] in [0, 1], loaded once for all trials.

    `train_clean` lies on the CPU where the device has no room for it; batches are then moved.
    """

    device: torch.device
    train_clean: Tensor
    train_noisy: Tensor | None
    val_clean: Tensor
    val_noisy: Tensor
    mean: float
    std: float
    val_names: tuple[str, ...] | None = None
    """[N]: the class or folder of each validation image; None without several, and of folds."""


def prepare(train: ImageSet, validation: ImageSet, task: Task, device: torch.device) -> DeviceData:
    """Move images to the device, and draw the validation noise: the same for every trial."""
    noisy = validation.noisy
    if noisy is None:
        noisy = validation_noise(validation.clean, task)
    home = device if _fits(train, device) else torch.device("cpu")
    return DeviceData(
        device=device,
        train_clean=_place(train.clean, home, device),
        train_noisy=None if train.noisy is None else _place(train.noisy, home, device),
        val_clean=validation.clean.to(device),
        val_noisy=noisy.to(device),
        mean=float(train.clean.mean()),
        std=max(float(train.clean.std()), 1e-6),
        val_names=validation.names,
    )


def _place(images: Tensor, home: torch.device, device: torch.device) -> Tensor:
    if home.type == "cpu" and device.type == "cuda":
        return images.pin_memory()
    return images.to(home)


def _fits(train: ImageSet, device: torch.device) -> bool:
    """In half of the free memory: models and activations need the rest."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    sets = 1 if train.noisy is None else 2
    return sets * train.clean.nbytes < free / 2
