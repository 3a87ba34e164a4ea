"""Stored images through a denoiser, tile by tile, a band of rows at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autoencoder_hpo.denoise.denoiser import Denoiser
from autoencoder_hpo.denoise.plan import Plan, plan_tiles
from autoencoder_hpo.denoise.tiles import inside
from autoencoder_hpo.denoise.value_range import ValueRange
from autoencoder_hpo.errors import DataError

Progress = Callable[[float], None]
"""Told the share of the work that is done, in (0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Stored images as a model of so many channels is shown them.

    Each channel by itself for a model of one, a grey image three times for one of three.
    """

    stored_NCHW: NDArray[Any]
    span: ValueRange
    channels: int
    mirrored: bool

    @property
    def split(self) -> bool:
        return self.channels == 1 and self.stored_NCHW.shape[1] > 1

    @property
    def number(self) -> int:
        images, channels = self.stored_NCHW.shape[:2]
        return images * channels if self.split else images

    def tile(self, plane: int, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
        """[channels, h, w] in [0, 1]; rows and columns are a start and a side each."""
        height, width = self.stored_NCHW.shape[2:]
        ys = inside(*rows, height, mirrored=self.mirrored)
        xs = inside(*columns, width, mirrored=self.mirrored)
        image, channel = divmod(plane, self.stored_NCHW.shape[1]) if self.split else (plane, 0)
        shown = self.stored_NCHW[image, channel : channel + 1 if self.split else None]
        unit = self.span.to_unit(shown[:, ys[:, None], xs])
        return np.broadcast_to(unit, (self.channels, *unit.shape[1:]))

    def stored(self, restored_PChW: NDArray[np.float32]) -> NDArray[Any]:
        """[N,C,h,W] in the type and channels that were given."""
        images, channels, _, width = self.stored_NCHW.shape
        if channels == 1:
            restored_PChW = restored_PChW.mean(1, keepdims=True)
        together = restored_PChW.reshape(images, channels, -1, width)
        return self.span.to_stored(together, self.stored_NCHW.dtype)


def channel_remark(channels: int, denoiser: Denoiser) -> str | None:
    """What becomes of an image of so many channels that the model was not trained on.

    Raises:
        DataError: nothing sensible.
    """
    match channels, denoiser.channels:
        case have, want if have == want:
            return None
        case have, 1:
            return f"{have} channels, trained on grey images: each is restored by itself"
        case 1, 3:
            return "a grey image, trained on RGB: restored as RGB and averaged"
        case have, want:
            raise DataError(f"{have} channels, but the denoiser takes {want}; convert the image")


def restore_stored(
    denoiser: Denoiser,
    stored_NCHW: NDArray[Any],
    span: ValueRange,
    *,
    batch: int | None = None,
    budget: int | None = None,
    progress: Progress = lambda share: None,
) -> NDArray[Any]:
    """Restored images of the same shape and type.

    Beside the result, memory holds a band of rows as floats and the activations of a batch of
    tiles, however large the images are.

    Args:
        batch: tiles at once; as many as the budget holds when None.
        budget: bytes of activations; `plan.BUDGET` when None.
    """
    images, _, height, width = stored_NCHW.shape
    tiling = plan_tiles(denoiser, height, width, batch=batch, budget=budget)
    restored = np.empty(stored_NCHW.shape, stored_NCHW.dtype)
    at_once = 1 if tiling.tiled else tiling.batch
    for first in range(0, images, at_once):
        part = slice(first, first + at_once)
        planes = Planes(stored_NCHW[part], span, denoiser.channels, denoiser.size is not None)
        for top, band in _bands(denoiser, planes, tiling):
            bottom = min(top + band.shape[2], height)
            restored[part, :, top:bottom] = planes.stored(band[:, :, : bottom - top, :width])
            done = first + len(restored[part]) * bottom / height
            progress(done / images)
    return restored


def _bands(
    denoiser: Denoiser, planes: Planes, plan: Plan
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Finished rows, [P, channels, h, padded width], and the first one's place."""
    rows, columns = plan.rows, plan.columns
    sums = np.zeros((planes.number, planes.channels, rows.side, columns.length), np.float32)
    for top, weight, end in zip(rows.starts, rows.weights, rows.ends, strict=True):
        _add_row(sums, denoiser, planes, plan, top=top, weight=weight)
        finished = end - top
        if finished:
            yield top, sums[:, :, :finished]
        sums = np.concatenate([sums[:, :, finished:], np.zeros_like(sums[:, :, :finished])], 2)


def _add_row(
    sums: NDArray[np.float32],
    denoiser: Denoiser,
    planes: Planes,
    plan: Plan,
    *,
    top: int,
    weight: NDArray[np.float32],
) -> None:
    """Restore a row of tiles of every plane, and add them where they belong."""
    rows, columns = (top, plan.rows.side), plan.columns
    placed = zip(columns.starts, columns.weights, strict=True)
    every = list(product(range(planes.number), placed))
    for first in range(0, len(every), plan.batch):
        tiles = every[first : first + plan.batch]
        noisy = [planes.tile(plane, rows, (left, columns.side)) for plane, (left, _) in tiles]
        restored = denoiser.restore(torch.from_numpy(np.stack(noisy))).float().cpu().numpy()
        for (plane, (left, across)), tile in zip(tiles, restored, strict=True):
            share = tile * weight[:, None] * across
            sums[plane, :, :, left : left + columns.side] += share
