"""Which strength a classical denoiser works best with, found on a few validation images."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

import torch
from torch import Tensor

from autoencoder_hpo.baselines.expected import Unbias
from autoencoder_hpo.baselines.filters import (
    BM3D_SMALLEST,
    Bm3d,
    Gaussian,
    Median,
    NonLocalMeans,
    TotalVariation,
    Wavelet,
)
from autoencoder_hpo.training.metrics import mse_per_image, psnr

Filter = Callable[[Tensor], Tensor]
"""Float32 [N,C,H,W] on the CPU, in and out."""

FEWEST = 4
"""Images that strengths are chosen on, at least, where there are as many."""

BLURS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 3.0)  # pixels
SIDES = (1, 3, 5, 7)  # pixels; a median of one pixel leaves it as it is
WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2)  # all below: times the noise
SHRINKAGES = (0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
LIKENESSES = (0.15, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85)
LIKENESSES_OF_NOISY = (0.6, 0.8, 1.0)
DEVIATIONS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.3)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Validation images to choose strengths on."""

    noisy: Tensor
    clean: Tensor

    @classmethod
    def of(cls, noisy_NCHW: Tensor, clean_NCHW: Tensor, *, values: int, side: int) -> Self:
        """Images from first to last, as many as have about so many values, cut to their middle.

        Args:
            side: the longest that an image may be, in pixels.
        """
        height, width = (min(length, side) for length in clean_NCHW.shape[-2:])
        top, left = (clean_NCHW.shape[-2] - height) // 2, (clean_NCHW.shape[-1] - width) // 2
        number = max(FEWEST, values // (clean_NCHW.shape[1] * height * width))
        last = len(clean_NCHW) - 1
        chosen = torch.linspace(0, last, min(number, last + 1)).round().long()

        def cut(images: Tensor) -> Tensor:
            return images[chosen, :, top : top + height, left : left + width]

        return cls(cut(noisy_NCHW), cut(clean_NCHW))


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A denoiser with all the settings that are tried."""

    name: str
    slow: bool
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A filter, what follows it, and the mean PSNR over a sample's images, in dB."""

    filter: Filter
    unbias: Unbias | None
    psnr: float


def best_of(filters: Iterable[Filter], sample: Sample, unbias: Unbias | None) -> Tried:
    """Try every filter, with and without undoing the bias; the first of equals is the best."""
    tried = [found for filter in filters for found in _try(filter, sample, unbias)]
    return max(tried, key=lambda found: found.psnr)


def _try(filter: Filter, sample: Sample, unbias: Unbias | None) -> Iterator[Tried]:
    restored = filter(sample.noisy)
    yield Tried(filter, None, _mean_psnr(restored, sample.clean))
    if unbias is not None:
        yield Tried(filter, unbias, _mean_psnr(unbias(restored), sample.clean))


def _mean_psnr(restored: Tensor, clean: Tensor) -> float:
    return float(psnr(mse_per_image(restored.clamp(0, 1), clean)).mean())


def methods(noise: float, *, smallest_side: int) -> Iterator[Method]:
    """The classical denoisers that take such images, weakest first.

    Args:
        noise: the root mean square of what the corruption adds to a pixel.
        smallest_side: of the images, in pixels.
    """
    yield Method("gaussian filter", False, tuple(Gaussian(sigma) for sigma in BLURS))
    yield Method("median filter", False, tuple(Median(side) for side in SIDES))
    yield Method("total variation", False, tuple(TotalVariation(noise * w) for w in WEIGHTS))
    yield Method("wavelet", False, tuple(Wavelet(noise * share) for share in SHRINKAGES))
    yield Method("non-local means", True, tuple(_non_local_means(noise)))
    if find_spec("bm3d") is not None and smallest_side >= BM3D_SMALLEST:
        yield Method("BM3D", True, tuple(Bm3d(noise * share) for share in DEVIATIONS))


def _non_local_means(noise: float) -> Iterator[NonLocalMeans]:
    for patch in SIDES[1:]:
        for share in LIKENESSES:
            yield NonLocalMeans(h=share * noise, sigma=noise, patch=patch)
        for share in LIKENESSES_OF_NOISY:
            yield NonLocalMeans(h=share * noise, sigma=0.0, patch=patch)
