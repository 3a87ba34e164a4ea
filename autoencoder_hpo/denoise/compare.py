"""Restored images against clean ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from autoencoder_hpo.denoise.value_range import ValueRange
from autoencoder_hpo.errors import DataError
from autoencoder_hpo.training.metrics import mse_per_image, psnr, ssim

_BAND = 256  # rows that are compared at a time
_EDGE = 3  # pixels that SSIM's window of 7 leaves out on each side


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one image, or the mean over several; PSNR in dB, peak 1."""

    psnr: float
    ssim: float | None
    noisy_psnr: float
    noisy_ssim: float | None


def find_partner(clean: Path, name: str) -> Path:
    """The clean image of the same path below its folder, whatever its suffix.

    Raises:
        DataError: there is none, or more than one.
    """
    if (clean / name).is_file():
        return clean / name
    beside = (clean / name).parent
    stem = Path(name).stem
    if not beside.is_dir():
        raise DataError(f"no clean partner {clean / name}")
    found = [path for path in beside.iterdir() if path.stem == stem and path.is_file()]
    if len(found) != 1:
        few = "no" if not found else f"{len(found)} files could be the"
        raise DataError(f"{few} clean partner {beside / stem}.*")
    return found[0]


def compare(
    restored_NCHW: NDArray[Any],
    noisy_NCHW: NDArray[Any],
    span: ValueRange,
    *,
    clean_NCHW: NDArray[Any],
    clean_span: ValueRange,
) -> Scores:
    """Mean scores of stored images, each put into [0, 1] by its span.

    Raises:
        DataError: sizes or channels differ.
    """
    if clean_NCHW.shape != restored_NCHW.shape:
        sizes = ("×".join(map(str, a.shape[1:])) for a in (clean_NCHW, restored_NCHW))
        raise DataError("the clean partner is {}, not {}".format(*sizes))
    each = [
        (_score(restored, clean, span, clean_span), _score(noisy, clean, span, clean_span))
        for restored, noisy, clean in zip(restored_NCHW, noisy_NCHW, clean_NCHW, strict=True)
    ]
    return Scores(
        _mean([restored[0] for restored, _ in each]) or 0.0,
        _mean([restored[1] for restored, _ in each]),
        _mean([noisy[0] for _, noisy in each]) or 0.0,
        _mean([noisy[1] for _, noisy in each]),
    )


def mean_scores(scores: list[Scores]) -> Scores:
    return Scores(
        _mean([one.psnr for one in scores]) or 0.0,
        _mean([one.ssim for one in scores]),
        _mean([one.noisy_psnr for one in scores]) or 0.0,
        _mean([one.noisy_ssim for one in scores]),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def _score(
    image_CHW: NDArray[Any], clean_CHW: NDArray[Any], span: ValueRange, clean_span: ValueRange
) -> tuple[float, float | None]:
    """PSNR and SSIM, a band of rows at a time: SSIM as floats takes much memory."""

    def pair(top: int, bottom: int) -> tuple[Tensor, Tensor]:
        image = torch.from_numpy(span.to_unit(image_CHW[:, top:bottom]))[None]
        return image, torch.from_numpy(clean_span.to_unit(clean_CHW[:, top:bottom]))[None]

    height = image_CHW.shape[1]
    return _psnr(pair, height), _ssim(pair, height)


def _psnr(pair: Callable[[int, int], tuple[Tensor, Tensor]], height: int) -> float:
    bands = [(top, min(top + _BAND, height)) for top in range(0, height, _BAND)]
    total = sum(float(mse_per_image(*pair(*band))) * (band[1] - band[0]) for band in bands)
    return float(psnr(torch.tensor([total / height])))


def _ssim(pair: Callable[[int, int], tuple[Tensor, Tensor]], height: int) -> float | None:
    """The mean over bands whose inner rows do not overlap; one band for an image that is small."""
    inner = height - 2 * _EDGE
    if inner <= _BAND:
        return ssim(*pair(0, height))
    tops = range(0, inner, _BAND)
    parts = [(ssim(*pair(top, min(top + _BAND, inner) + 2 * _EDGE)), top) for top in tops]
    weights = [min(_BAND, inner - top) for top in tops]
    known = [part for part, _ in parts if part is not None]
    if len(known) < len(parts):
        return None
    return math.fsum(p * w for p, w in zip(known, weights, strict=True)) / inner
