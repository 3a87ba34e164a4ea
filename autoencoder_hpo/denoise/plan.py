"""How large tiles may be, so that memory stays bounded whatever the image."""

import math
from dataclasses import dataclass

from autoencoder_hpo.config import ModelConfig
from autoencoder_hpo.denoise.denoiser import Denoiser
from autoencoder_hpo.denoise.tiles import Cut, cut

BUDGET = 256 * 2**20
"""Bytes that a model's activations may take at one time."""
WHOLE_BUDGET = 3 * BUDGET
"""The same for models that are to see a whole image."""
LEAST = 64  # pixels of a tile's side, however many channels a model has
MOST_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """An image's tiles, and how many the model is given at once."""

    rows: Cut
    columns: Cut
    batch: int

    @property
    def tiled(self) -> bool:
        return len(self.rows.starts) > 1 or len(self.columns.starts) > 1


def plan_tiles(
    denoiser: Denoiser, height: int, width: int, *, batch: int | None, budget: int | None = None
) -> Plan:
    """Tiles for an image of this size.

    An image that fits into `budget` bytes of activations is a single tile. Else tiles overlap
    so far that no pixel is taken from where a tile's border is seen, if the model's reach is a
    quarter of a tile at most; if not, or if a model has one size, tiles are blended broadly.

    Args:
        batch: tiles at once; as many as the budget holds when None.
    """
    if budget is None:
        budget = WHOLE_BUDGET if denoiser.whole_image else BUDGET
    pixels = budget // pixel_bytes(denoiser.config.config.model, denoiser.channels)
    rows, columns = (
        _fixed(denoiser.size, height, width)
        if denoiser.size is not None
        else _free(denoiser, height, width, pixels // (batch or 1))
    )
    fitting = max(1, min(MOST_AT_ONCE, pixels // (rows.side * columns.side)))
    return Plan(rows, columns, batch or fitting)


def pixel_bytes(model: ModelConfig, channels: int) -> int:
    """Bytes of activations that a pixel of a tile needs, about."""
    return 4 * model.maps(channels)


def _fixed(size: tuple[int, int], height: int, width: int) -> tuple[Cut, Cut]:
    """Each pixel is restored by up to four tiles along each axis."""
    rows, columns = (
        cut(length, side=side, overlap=side - max(1, side // 4))
        for length, side in zip((height, width), size, strict=True)
    )
    return rows, columns


def _free(denoiser: Denoiser, height: int, width: int, pixels: int) -> tuple[Cut, Cut]:
    multiple = denoiser.multiple
    high, wide = (length + -length % multiple for length in (height, width))
    if high * wide <= pixels:
        return cut(high, side=high, multiple=multiple), cut(wide, side=wide, multiple=multiple)
    least = _up(LEAST, 8 * multiple)
    row_side = min(high, max(least, _down(math.isqrt(pixels), multiple)))
    column_side = min(wide, max(least, _down(pixels // row_side, multiple)))
    row_side = min(high, max(row_side, _down(pixels // column_side, multiple)))
    return _overlapping(denoiser, high, row_side), _overlapping(denoiser, wide, column_side)


def _overlapping(denoiser: Denoiser, length: int, side: int) -> Cut:
    multiple = denoiser.multiple
    if side == length:
        return cut(length, side=side, multiple=multiple)
    exact = denoiser.reach <= side // 4 and not denoiser.whole_image
    blind, ramp = (denoiser.reach, 1) if exact else (side // 8, side // 4)
    overlap = _up(2 * blind + ramp, multiple)
    return cut(length, side=side, overlap=overlap, blind=blind, multiple=multiple)


def _up(number: int, multiple: int) -> int:
    return number + -number % multiple


def _down(number: int, multiple: int) -> int:
    return number - number % multiple
