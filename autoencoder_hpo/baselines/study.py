"""What a study knows of the affine filter from its first day."""

import math
from collections.abc import Sequence

from autoencoder_hpo.baselines.fit import Baseline, fit_affine
from autoencoder_hpo.config import Corruption
from autoencoder_hpo.training.metrics import mse_per_image, psnr, psnr_of_groups, ssim
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import AffineRecord, Level

IMAGES = 10_000
"""Training images of a fold that take part, the first ones: a second for Fashion-MNIST, whose
other 44,000 would add 0.04 dB."""


def affine_record(
    prepared: Sequence[DeviceData], corruption: Corruption | None
) -> AffineRecord | None:
    """Validation scores of the affine filter, the mean over folds; None where nothing is noisy."""
    if any(bool((fold.val_noisy == fold.val_clean).all()) for fold in prepared):
        return None
    fitted = [_fit(fold, corruption) for fold in prepared]
    scored = [_score(baseline, fold) for baseline, fold in zip(fitted, prepared, strict=True)]
    levels = [level for level, _ in scored]
    return AffineRecord(
        level=Level(
            mse=_mean([level.mse for level in levels]),
            psnr=_mean([level.psnr for level in levels]),
            ssim=_mean([level.ssim for level in levels]),
        ),
        sees=str(fitted[0].settings["sees"]),
        images=min(len(fold.train_clean[:IMAGES]) for fold in prepared),
        groups=scored[0][1],
    )


def _fit(fold: DeviceData, corruption: Corruption | None) -> Baseline:
    noisy = fold.train_noisy
    return fit_affine(
        fold.train_clean[:IMAGES].cpu(),
        corruption=corruption,
        val_clean=fold.val_clean.cpu(),
        val_noisy=fold.val_noisy.cpu(),
        train_noisy=None if noisy is None else noisy[:IMAGES].cpu(),
    )


def _score(baseline: Baseline, fold: DeviceData) -> tuple[Level, dict[str, float] | None]:
    """Of all validation images, and the PSNR of each class or folder."""
    clean = fold.val_clean.cpu()
    restored = baseline.restore(fold.val_noisy)
    mse_N = mse_per_image(restored, clean)
    level = Level(float(mse_N.mean()), float(psnr(mse_N).mean()), ssim(restored, clean))
    return level, psnr_of_groups(mse_N, fold.val_names)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None
