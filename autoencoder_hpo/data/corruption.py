"""Corruptions: pure functions of clean images and a random generator.

Shapes: N images, C channels, H rows, W columns; any other shape works as well.
"""

from typing import assert_never

import torch
from torch import Generator, Tensor

from autoencoder_hpo.config import (
    Corruption,
    GaussianNoise,
    Masking,
    NoCorruption,
    PoissonNoise,
    SaltAndPepper,
    Speckle,
    Task,
)
from autoencoder_hpo.seeds import seed_for


def corrupt(clean: Tensor, config: Corruption, generator: Generator) -> Tensor:
    """Return a damaged copy; the clean images stay as they are.

    `clean` is float32 in [0, 1], any shape; `generator` lives on the same device. The result
    is in [0, 1] when `config.clip`; `none` returns the clean images themselves.
    """
    noisy = _damage(clean, config, generator)
    return noisy.clamp(0, 1) if config.clip and config.damages else noisy


def validation_noise(clean: Tensor, task: Task) -> Tensor:
    """The noisy images that every trial of a task is measured on.

    Drawn on the CPU, whatever device trains, because each device's generator draws other
    numbers: every trial, worker and machine sees the same noise. The result is on the CPU.

    Raises:
        ValueError: the task has no corruption; its data brings noisy images of its own.
    """
    if task.corruption is None:
        raise ValueError("the task has no corruption: pairs bring their own noisy images")
    generator = Generator().manual_seed(seed_for(task.seed, "validation-noise"))
    return corrupt(clean.cpu(), task.corruption, generator)


def _damage(clean: Tensor, config: Corruption, generator: Generator) -> Tensor:
    match config:
        case NoCorruption():
            return clean
        case GaussianNoise():
            return clean + config.sigma * _normal(clean, generator)
        case SaltAndPepper():
            return _salt_and_pepper(clean, config.fraction, generator)
        case Masking():
            return clean * (_uniform(clean, generator) >= config.fraction)
        case Speckle():
            return clean * (1 + config.sigma * _normal(clean, generator))
        case PoissonNoise():
            photons = clean.clamp(min=0) * config.peak
            return torch.poisson(photons, generator=generator) / config.peak
        case _:
            assert_never(config)


def _salt_and_pepper(clean: Tensor, fraction: float, generator: Generator) -> Tensor:
    draw = _uniform(clean, generator)
    salted = torch.where(draw < fraction, 1.0, clean)
    return torch.where(draw < fraction / 2, 0.0, salted)


def _normal(like: Tensor, generator: Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def _uniform(like: Tensor, generator: Generator) -> Tensor:
    return torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
