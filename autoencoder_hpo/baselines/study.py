"""What a study knows of the affine filter from its first day."""

import math
from collections.abc import Sequence
from typing import Any

from autoencoder_hpo.baselines.fit import Baseline, fit_affine
from autoencoder_hpo.config import Corruption
from autoencoder_hpo.training.metrics import mse_per_image, psnr, psnr_of_groups, ssim
from autoencoder_hpo.training.prepared import DeviceData

IMAGES = 10_000
"""Training images of a fold that take part, the first ones: a second for Fashion-MNIST, whose
other 44,000 would add 0.04 dB."""


def affine_record(
    prepared: Sequence[DeviceData], corruption: Corruption | None
) -> dict[str, Any] | None:
    """Validation scores of the affine filter, the mean over folds; None where nothing is noisy."""
    if any(bool((fold.val_noisy == fold.val_clean).all()) for fold in prepared):
        return None
    fitted = [_fit(fold, corruption) for fold in prepared]
    scored = [_score(baseline, fold) for baseline, fold in zip(fitted, prepared, strict=True)]
    return {
        **{name: _mean([scores[name] for scores in scored]) for name in ("mse", "psnr", "ssim")},
        "sees": fitted[0].settings["sees"],
        "images": min(len(fold.train_clean[:IMAGES]) for fold in prepared),
        "groups": scored[0]["groups"],
    }


def _fit(fold: DeviceData, corruption: Corruption | None) -> Baseline:
    noisy = fold.train_noisy
    return fit_affine(
        fold.train_clean[:IMAGES].cpu(),
        corruption=corruption,
        val_clean=fold.val_clean.cpu(),
        val_noisy=fold.val_noisy.cpu(),
        train_noisy=None if noisy is None else noisy[:IMAGES].cpu(),
    )


def _score(baseline: Baseline, fold: DeviceData) -> dict[str, Any]:
    clean = fold.val_clean.cpu()
    restored = baseline.restore(fold.val_noisy)
    mse_N = mse_per_image(restored, clean)
    return {
        "mse": float(mse_N.mean()),
        "psnr": float(psnr(mse_N).mean()),
        "ssim": ssim(restored, clean),
        "groups": psnr_of_groups(mse_N, fold.val_names),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None
