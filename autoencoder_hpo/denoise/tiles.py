"""Where tiles lie along one axis of an image, and how they are blended.

Each axis is cut by itself; a tile's weight is the product of its weights along both.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One axis, cut into tiles of one size that overlap."""

    length: int
    """Pixels of the padded axis: `starts[-1] + side`."""
    side: int
    """Pixels of a tile."""
    starts: tuple[int, ...]
    weights: tuple[NDArray[np.float32], ...]
    """[side] for each tile; over all tiles they add up to 1 at every pixel."""

    @property
    def ends(self) -> tuple[int, ...]:
        """For each tile the first pixel that a later tile has a part in."""
        return (*self.starts[1:], self.length)


def cut(length: int, *, side: int, overlap: int = 0, blind: int = 0, multiple: int = 1) -> Cut:
    """Cut an axis of so many pixels, padded at its end to a multiple and to one tile at least.

    Neighbours overlap by `overlap` pixels, the last two by as many as are left over. The
    outermost `blind` pixels of a tile count nothing where a neighbour begins; between them one
    tile fades into the next along half a period of a cosine.

    Raises:
        ValueError: sides are no multiples, or tiles overlap in a way that leaves gaps.
    """
    if side % multiple or overlap % multiple or not 2 * blind <= overlap < side:
        raise ValueError(f"tiles of {side} cannot overlap by {overlap}, {blind} of them blind")
    padded = max(side, length + -length % multiple)
    starts = (*range(0, padded - side, side - overlap), padded - side)
    rise = _rise(side, blind, overlap - 2 * blind)
    raw = [
        (rise if number else np.ones(side)) * (rise[::-1] if start < starts[-1] else np.ones(side))
        for number, start in enumerate(starts)
    ]
    total = np.zeros(padded)
    for start, weight in zip(starts, raw, strict=True):
        total[start : start + side] += weight
    shares = [
        (weight / total[start : start + side]).astype(np.float32)
        for start, weight in zip(starts, raw, strict=True)
    ]
    return Cut(padded, side, starts, tuple(shares))


def inside(start: int, side: int, length: int, *, mirrored: bool) -> NDArray[np.int64]:
    """The pixels of an axis that a tile shows: beyond the end the last one, or the mirror image."""
    places = np.arange(start, start + side)
    if not mirrored:
        return places.clip(max=length - 1)
    turned = places % (2 * length)
    return np.where(turned < length, turned, 2 * length - 1 - turned)


def _rise(side: int, blind: int, ramp: int) -> NDArray[np.float64]:
    """0 for the blind pixels, up along half a Hann window, and 1."""
    window = np.ones(side)
    window[:blind] = 0
    window[blind : blind + ramp] = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / max(ramp, 1)) ** 2
    return window
