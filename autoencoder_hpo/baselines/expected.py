"""What a corruption does to a pixel on average, and undoing it.

A denoiser that averages pixels finds the expected value of the noisy ones. Clipping makes that
differ from the clean pixel: noise cannot push a black pixel below 0, only above it, so dark
pixels come out too bright and bright ones too dark (Foi, 2009, "Clipped noisy images").
"""

import math
from dataclasses import dataclass
from typing import Self, assert_never

import numpy as np
import torch
from torch import Tensor

from autoencoder_hpo.config import (
    Corruption,
    GaussianNoise,
    Masking,
    NoCorruption,
    PoissonNoise,
    SaltAndPepper,
    Speckle,
)

LEVELS = 4097  # of the table that is looked up
LEAST = 1e-4  # a bias below this is none; an expected value that rises less than this says nothing


def expected(clean: Tensor, corruption: Corruption) -> tuple[Tensor, Tensor]:
    """E[y] and E[y²] over all draws y of `corrupt(clean, corruption, ...)`.

    For pixels in [0, 1], in float64 and of their shape. Noise is independent between pixels,
    whatever the corruption.
    """
    x = clean.double()
    match corruption:
        case NoCorruption():
            return x, x.square()
        case GaussianNoise():
            return _normal(x, torch.full_like(x, corruption.sigma), clip=corruption.clip)
        case Speckle():
            return _normal(x, corruption.sigma * x, clip=corruption.clip)
        case SaltAndPepper():
            kept, salt = 1 - corruption.fraction, corruption.fraction / 2
            return kept * x + salt, kept * x.square() + salt
        case Masking():
            return (1 - corruption.fraction) * x, (1 - corruption.fraction) * x.square()
        case PoissonNoise():
            return _poisson(x, corruption.peak, clip=corruption.clip)
        case _:
            assert_never(corruption)


@dataclass(frozen=True, slots=True, eq=False)
class Unbias:
    """The inverse of the expected value, as a table."""

    clean: Tensor
    """Float64 [LEVELS], from 0 to 1."""
    expected: Tensor
    """Float64 [LEVELS], rising: what averaging makes of `clean`."""

    @classmethod
    def of(cls, corruption: Corruption | None) -> Self | None:
        """None where there is no bias, where it is not known, and where it cannot be undone."""
        if corruption is None or not corruption.invertible:
            return None
        clean = torch.linspace(0, 1, LEVELS, dtype=torch.float64)
        mean, _ = expected(clean, corruption)
        biased = float((mean - clean).abs().max()) > LEAST
        rising = bool((mean.diff() > 0).all()) and float(mean[-1] - mean[0]) > LEAST
        return cls(clean, mean) if biased and rising else None

    def __call__(self, restored: Tensor) -> Tensor:
        """Clean pixels in [0, 1] for expected ones; what lies outside the table is clamped."""
        looked_up = np.interp(restored.numpy(), self.expected.numpy(), self.clean.numpy())
        return torch.from_numpy(np.asarray(looked_up)).to(restored.dtype)


def _normal(mean: Tensor, sigma: Tensor, *, clip: bool) -> tuple[Tensor, Tensor]:
    """Of a normal y, or of min(max(y, 0), 1): the part inside, and the mass above 1."""
    if not clip:
        return mean, mean.square() + sigma.square()
    spread = sigma.clamp(min=1e-12)
    low, high = (0 - mean) / spread, (1 - mean) / spread
    inside = torch.special.ndtr(high) - torch.special.ndtr(low)
    above = torch.special.ndtr(-high)
    at_low, at_high = _density(low), _density(high)
    first = mean * inside + spread * (at_low - at_high)
    second = mean * first + spread * (spread * inside - at_high)
    return first + above, second + above


def _density(standard: Tensor) -> Tensor:
    return torch.exp(-standard.square() / 2) / math.sqrt(2 * math.pi)


def _poisson(x: Tensor, peak: float, *, clip: bool) -> tuple[Tensor, Tensor]:
    """Of y = k / peak for k Poisson of mean x·peak, or of min(y, 1)."""
    from scipy.special import pdtr, pdtrc

    if not clip:
        return x, x.square() + x / peak
    photons, most = (x * peak).numpy(), math.floor(peak)

    def below(number: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        return np.asarray(pdtr(number, photons) if number >= 0 else 0 * photons)

    above = np.asarray(pdtrc(most, photons))
    first = photons * below(most - 1)
    second = photons**2 * below(most - 2) + first
    mean, square = first / peak + above, second / peak**2 + above
    return torch.from_numpy(mean), torch.from_numpy(square)
