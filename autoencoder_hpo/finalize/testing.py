"""The denoiser and the baselines on the test images, all on the same ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from autoencoder_hpo.config import Task
from autoencoder_hpo.finalize.comparison import estimate_difference, estimate_mean
from autoencoder_hpo.finalize.images import HeldOutImages, held_out_noise, is_corrupted
from autoencoder_hpo.finalize.results import Group, Row, Strength, TestScores
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.training.metrics import mse_per_image, psnr, ssim
from autoencoder_hpo.training.prepared import CHUNK

NOISE_FACTORS = (0.5, 1.5, 2.0)

Restore = Callable[[Tensor], Tensor]


class Method(Protocol):
    """A baseline: what it is called, what it was tuned to, and what it does."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, float | str]: ...

    @property
    def slow(self) -> bool: ...

    def restore(self, noisy_NCHW: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Measured:
    """A method's scores on some images."""

    psnr_N: tuple[float, ...]
    mse: float
    ssim: float | None

    @property
    def psnr(self) -> float:
        return float(np.mean(self.psnr_N))


@dataclass(frozen=True, slots=True)
class BaselineScores:
    """A baseline on the test images, or on the spread ones where it is slow."""

    name: str
    settings: dict[str, int | float | str]
    slow: bool
    measured: Measured


def restore_with(model: nn.Module, device: torch.device) -> Restore:
    """The model as the bundle uses it: float32, in parts, clamped to [0, 1]; on the CPU."""
    model.to(device).eval()

    @torch.no_grad()
    def restore(noisy_NCHW: Tensor) -> Tensor:
        parts = noisy_NCHW.split(CHUNK)
        return torch.cat([model(part.to(device)).clamp(0, 1).cpu() for part in parts])

    return restore


def measure(restored_NCHW: Tensor, clean_NCHW: Tensor) -> Measured:
    error_N = mse_per_image(restored_NCHW, clean_NCHW).double()
    return Measured(
        tuple(psnr(error_N).tolist()), float(error_N.mean()), ssim(restored_NCHW, clean_NCHW)
    )


def spread_of(test: HeldOutImages, number: int) -> HeldOutImages:
    """The images of the slow methods."""
    return test.spread(number) if number < len(test) else test


def score_baseline(method: Method, test: HeldOutImages, slow_images: int) -> BaselineScores:
    images = spread_of(test, slow_images) if method.slow else test
    restored = torch.cat([method.restore(part) for part in images.noisy.split(CHUNK)])
    return BaselineScores(
        method.name, dict(method.settings), method.slow, measure(restored, images.clean)
    )


def look(
    restore: Restore,
    test: HeldOutImages,
    baselines: Sequence[BaselineScores],
    task: Task,
    *,
    slow_images: int,
) -> TestScores:
    """Everything that the test images say of the denoiser."""
    ours = measure(restore(test.noisy), test.clean)
    noisy = measure(test.noisy, test.clean) if is_corrupted(task) else None
    slow = [each for each in baselines if each.slow]
    subset = spread_of(test, slow_images)
    parted = bool(slow) and len(subset) < len(test)
    quick = [each for each in baselines if not (parted and each.slow)]
    rows = _rows(ours, quick, noisy, test, task)
    if parted:
        ours_there = measure(restore(subset.noisy), subset.clean)
        noisy_there = measure(subset.noisy, subset.clean) if noisy else None
        rows += _rows(ours_there, slow, noisy_there, subset, task)
    estimate = estimate_mean(np.array(ours.psnr_N), groups=test.group.numpy(), seed=_seed(task))
    return TestScores(
        images=len(test),
        psnr=estimate,
        rows=tuple(rows),
        subset=len(subset) if parted else 0,
        groups=_groups(ours, noisy, test),
        strengths=_strengths(restore, test, task),
    )


def _rows(
    ours: Measured,
    baselines: Sequence[BaselineScores],
    noisy: Measured | None,
    test: HeldOutImages,
    task: Task,
) -> list[Row]:
    """The denoiser and these baselines, on the same images."""

    def row(name: str, settings: dict[str, int | float | str], measured: Measured) -> Row:
        gain = None if noisy is None else measured.psnr - noisy.psnr
        advantage = None
        if measured is not ours:
            advantage = estimate_difference(
                np.array(ours.psnr_N),
                np.array(measured.psnr_N),
                groups=test.group.numpy(),
                seed=_seed(task),
            )
        return Row(
            name, settings, len(test), measured.psnr, measured.mse, measured.ssim, gain, advantage
        )

    return [
        row("denoiser", {}, ours),
        *(row(each.name, each.settings, each.measured) for each in baselines),
    ]


def _groups(ours: Measured, noisy: Measured | None, test: HeldOutImages) -> tuple[Group, ...]:
    if test.names is None:
        return ()
    names, decibels = np.array(test.names), np.array(ours.psnr_N)
    before = None if noisy is None else np.array(noisy.psnr_N)

    def group(name: str) -> Group:
        chosen = names == name
        mean = float(decibels[chosen].mean())
        gain = None if before is None else mean - float(before[chosen].mean())
        return Group(name, int(chosen.sum()), mean, gain)

    found = [group(str(name)) for name in np.unique(names)]
    return tuple(sorted(found, key=lambda each: (each.psnr, each.name)))


def _strengths(restore: Restore, test: HeldOutImages, task: Task) -> tuple[Strength, ...]:
    found = []
    for factor in NOISE_FACTORS:
        corruption = None if task.corruption is None else task.corruption.times(factor)
        if corruption is None:
            continue
        noisy = held_out_noise(test.clean, task, corruption, str(factor))
        before = float(psnr(mse_per_image(noisy, test.clean)).mean())
        after = float(psnr(mse_per_image(restore(noisy), test.clean)).mean())
        found.append(Strength(corruption.words, after, before, after - before))
    return tuple(found)


def _seed(task: Task) -> int:
    return seed_for(task.seed, "bootstrap")
