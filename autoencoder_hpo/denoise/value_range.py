"""From stored values to the pixels in [0, 1] that a model knows, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.denoise.denoiser import Trained
from autoencoder_hpo.errors import DataError

_NATURAL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
_NARROW = 0.1  # of the range: an image with less of it looks flat to the model


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The stored values that are 0 and 1."""

    low: float
    high: float
    clip: bool = True
    """Values beyond are clamped, as those of the training images were."""

    def to_unit(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        values: NDArray[Any] = stored.astype(_fine(stored.dtype))
        unit: NDArray[np.float32] = ((values - self.low) / (self.high - self.low)).astype("f4")
        return unit.clip(0, 1) if self.clip else unit

    def to_stored(self, unit: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
        values: NDArray[Any] = unit.astype(_fine(dtype))
        values = values * (self.high - self.low) + self.low
        if dtype.kind == "f":
            return values.astype(dtype)
        limits = np.iinfo(dtype)
        return np.rint(values).clip(limits.min, limits.max).astype(dtype)


def _fine(dtype: np.dtype[Any]) -> str:
    """A float type that holds every such value."""
    return "f4" if dtype.itemsize <= 2 else "f8"


def find_span(trained: Trained, stored: NDArray[Any]) -> tuple[ValueRange, str | None]:
    """The span of these values, and a remark when they are unlike the training images'.

    Raises:
        DataError: values that are no finite numbers, or a type that has no range of its own.
    """
    low, high = _extremes(stored)
    span = _expected(trained, stored.dtype)
    width = span.high - span.low
    seen = f"values reach from {low:g} to {high:g}, those trained on from {span.low:g}"
    if low < span.low - width or high > span.high + width:
        return ValueRange(
            low, max(high, low + 1e-6), span.clip
        ), f"{seen} to {span.high:g}; scaled by its own extremes"
    if high - low < _NARROW * width:
        return span, f"{seen} to {span.high:g}; so narrow a range looks flat to the denoiser"
    return span, None


def _expected(trained: Trained, dtype: np.dtype[Any]) -> ValueRange:
    """By the type, as in training; by the training images where their type did not say."""
    corruption = trained.task.corruption
    clip = corruption is None or corruption.bounded
    own_range = trained.high not in (1.0, *_NATURAL.values()) or trained.low != 0
    if trained.task.data.scale == "minmax" or (own_range and dtype not in _NATURAL):
        if trained.high > trained.low:
            return ValueRange(trained.low, trained.high, clip)
    elif dtype.kind == "f":
        return ValueRange(0.0, 1.0, clip)
    if dtype in _NATURAL:
        return ValueRange(0.0, _NATURAL[dtype], clip)
    raise DataError(f"{dtype} pixels have no natural range; save them as uint8, uint16 or floats")


def _extremes(stored: NDArray[Any]) -> tuple[float, float]:
    """Least and greatest value, image by image: a stack may be larger than the memory."""
    lows, highs = [], []
    for image in stored:
        least, most = float(image.min()), float(image.max())
        if not (np.isfinite(least) and np.isfinite(most)):
            bad = int((~np.isfinite(image)).sum())
            raise DataError(f"{bad} pixels are NaN or infinite; replace them first")
        lows.append(least)
        highs.append(most)
    return min(lows), max(highs)
