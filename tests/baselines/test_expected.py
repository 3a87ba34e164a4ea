"""What noise does to a pixel on average: against the mean of many draws."""

import pytest
import torch
from baselines.examples import KINDS, corruption, noisy

from autoencoder_hpo.baselines.expected import Unbias, expected
from autoencoder_hpo.config import Corruption, GaussianNoise, PoissonNoise

DRAWS = 100_000
LEVELS = torch.linspace(0, 1, 21)
MORE = [
    GaussianNoise(kind="gaussian", sigma=0.05),
    GaussianNoise(kind="gaussian", sigma=0.5),
    PoissonNoise(kind="poisson", peak=0.4),
    PoissonNoise(kind="poisson", peak=3.7),
    PoissonNoise(kind="poisson", peak=5.0, clip=False),
]
EVERY = [*(corruption(kind) for kind in KINDS), *MORE, corruption("speckle", clip=False)]


def name(config: Corruption) -> str:
    return repr(config)


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_the_expected_value_and_square_are_those_of_many_draws(config: Corruption) -> None:
    drawn = noisy(LEVELS.expand(DRAWS, -1), config).double()
    mean, square = expected(LEVELS, config)
    within = 5 / DRAWS**0.5
    assert ((drawn.mean(0) - mean).abs() <= within * drawn.std(0) + 1e-6).all()
    assert ((drawn.square().mean(0) - square).abs() <= within * drawn.square().std(0) + 1e-6).all()


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_undoing_the_bias_finds_the_clean_pixel_in_the_mean_of_many_draws(
    config: Corruption,
) -> None:
    unbias = Unbias.of(config)
    drawn = noisy(LEVELS.expand(DRAWS, -1), config).double()
    if unbias is None:
        assert (drawn.mean(0) - LEVELS).abs().max() < 5 * float(drawn.std(0).max()) / DRAWS**0.5
        return
    assert torch.allclose(unbias(expected(LEVELS, config)[0]), LEVELS.double(), atol=1e-4)
    steep = (unbias.expected[1:] - unbias.expected[:-1]).min() * (len(unbias.expected) - 1)
    close = 5 * float(drawn.std(0).max()) / DRAWS**0.5 / float(steep)
    assert (unbias(drawn.mean(0)) - LEVELS).abs().max() < close


def test_a_black_pixel_under_clipped_noise_is_black_again() -> None:
    unbias = Unbias.of(corruption("gaussian"))
    assert unbias is not None
    averaged = noisy(torch.zeros(1, 1, 300, 300), corruption("gaussian")).mean()
    assert float(averaged) == pytest.approx(0.2 * 0.3989, abs=0.002)
    assert float(unbias(averaged)) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    "config",
    [None, corruption("unclipped"), corruption("salt_and_pepper", fraction=1.0)],
    ids=["pairs", "unclipped", "nothing is left"],
)
def test_without_a_known_bias_that_can_be_undone_there_is_nothing_to_undo(
    config: Corruption | None,
) -> None:
    assert Unbias.of(config) is None
