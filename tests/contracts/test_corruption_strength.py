"""That the strength of a corruption, of every kind, is proportional to what it does to pixels."""

from functools import cache

import pytest
from baselines.examples import noisy, photographs
from corruptions import each_kind, inner, make
from torch import Tensor

from autoencoder_hpo.config import Corruption, CorruptionBase
from autoencoder_hpo.finalize.testing import NOISE_FACTORS

WITHIN = 0.15
"""Five standard errors of the rarest damage, at 1% of the pixels, and whole numbers."""


@cache
def photos() -> Tensor:
    """Real images, each several times, [4000, 1, 8, 8]."""
    return photographs(400, size=(8, 8), grey=True).repeat(10, 1, 1, 1)


def damage(config: Corruption) -> tuple[float, float]:
    """Root mean square, and mean size, of what becomes of a pixel that is not clipped."""
    noise = noisy(photos(), config.model_copy(update={"clip": False})) - photos()
    return float(noise.square().mean().sqrt()), float(noise.abs().mean())


@each_kind
def test_so_much_stronger_is_so_much_more_damage(kind: type[CorruptionBase]) -> None:
    """A strength is a standard deviation, which the first measures, or a share: the second."""
    for values in inner(kind):
        config = make(kind, values)
        before = damage(config)
        for factor in NOISE_FACTORS:
            if (other := config.times(factor)) is None:
                continue
            after = damage(other)
            times = other.strength / config.strength
            found = [b / a for a, b in zip(before, after, strict=True)]
            assert any(each == pytest.approx(times, rel=WITHIN) for each in found)
