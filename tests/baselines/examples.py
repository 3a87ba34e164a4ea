"""Real images to restore, and noise of a strength that is worth removing."""

from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Generator, Tensor

from autoencoder_hpo.config import Corruption
from autoencoder_hpo.data.corruption import corrupt
from autoencoder_hpo.training.metrics import mse_per_image, psnr

TYPICAL: dict[str, dict[str, Any]] = {
    "gaussian": {"kind": "gaussian", "sigma": 0.2},
    "unclipped": {"kind": "gaussian", "sigma": 0.2, "clip": False},
    "salt_and_pepper": {"kind": "salt_and_pepper", "fraction": 0.2},
    "masking": {"kind": "masking", "fraction": 0.3},
    "speckle": {"kind": "speckle", "sigma": 0.5},
    "poisson": {"kind": "poisson", "peak": 8.0},
}


def corruption(kind: str = "gaussian", **changes: Any) -> Corruption:
    return TypeAdapter(Corruption).validate_python({**TYPICAL[kind], **changes})


def noisy(clean: Tensor, config: Corruption, *, seed: int = 1) -> Tensor:
    return corrupt(clean, config, Generator().manual_seed(seed))


def digits(start: int, number: int) -> Tensor:
    """[number, 1, 8, 8] in [0, 1]."""
    from sklearn.datasets import load_digits

    images = load_digits().images[start : start + number] / 16
    return torch.from_numpy(images[:, None].astype(np.float32))


def photographs(number: int, *, size: tuple[int, int], grey: bool = False) -> Tensor:
    """Pieces of a photograph, [number, 3 or 1, *size] in [0, 1]."""
    from skimage.data import astronaut

    whole = torch.from_numpy(astronaut()).movedim(-1, 0) / 255
    image = whole.mean(0, keepdim=True) if grey else whole
    height, width = size
    pieces = image.unfold(1, height, height).unfold(2, width, width).flatten(1, 2).movedim(1, 0)
    spread = torch.linspace(0, len(pieces) - 1, number).long()
    return pieces[spread].contiguous()


def mean_psnr(restored: Tensor, clean: Tensor) -> float:
    return float(psnr(mse_per_image(restored, clean)).mean())
