import pytest
import torch
from pydantic import TypeAdapter
from torch import Generator

from autoencoder_hpo.config import Corruption, Task
from autoencoder_hpo.data.corruption import corrupt, validation_noise


def config(**given):
    return TypeAdapter(Corruption).validate_python(given)


def damage(clean, *, seed=0, **given):
    return corrupt(clean, config(**given), Generator().manual_seed(seed))


@pytest.fixture
def grey():
    return torch.full((40, 1, 50, 50), 0.5)


def test_none_returns_the_images_even_outside_the_range():
    clean = torch.tensor([-1.0, 2.0])
    assert damage(clean, kind="none") is clean


def test_gaussian_has_its_sigma(grey):
    noise = damage(grey, kind="gaussian", sigma=0.3, clip=False) - grey
    assert noise.mean() == pytest.approx(0, abs=0.005)
    assert noise.std() == pytest.approx(0.3, rel=0.01)


def test_salt_and_pepper_replaces_its_fraction_half_each(grey):
    noisy = damage(grey, kind="salt_and_pepper", fraction=0.2)
    assert (noisy == 0).float().mean() == pytest.approx(0.1, abs=0.005)
    assert (noisy == 1).float().mean() == pytest.approx(0.1, abs=0.005)
    assert (noisy == 0.5).float().mean() == pytest.approx(0.8, abs=0.005)


def test_salt_and_pepper_of_everything_leaves_nothing(grey):
    assert set(damage(grey, kind="salt_and_pepper", fraction=1.0).unique().tolist()) == {0.0, 1.0}


def test_masking_erases_its_fraction(grey):
    noisy = damage(grey, kind="masking", fraction=0.3)
    assert (noisy == 0).float().mean() == pytest.approx(0.3, abs=0.005)
    assert (noisy == 0.5).float().mean() == pytest.approx(0.7, abs=0.005)


@pytest.mark.parametrize("level", [0.2, 0.8])
def test_speckle_grows_with_the_signal(grey, level):
    noise = damage(grey * 0 + level, kind="speckle", sigma=0.4, clip=False) - level
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.4 * level, rel=0.02)


@pytest.mark.parametrize(("level", "peak"), [(0.5, 50), (0.1, 1000), (1.0, 5)])
def test_poisson_has_the_variance_of_photon_counting(grey, level, peak):
    noisy = damage(grey * 0 + level, kind="poisson", peak=peak, clip=False)
    assert noisy.mean() == pytest.approx(level, rel=0.01)
    assert noisy.var() == pytest.approx(level / peak, rel=0.03)
    assert torch.allclose(noisy * peak, (noisy * peak).round(), atol=1e-3)


def test_poisson_takes_negative_pixels_as_dark():
    assert damage(torch.full((9,), -0.1), kind="poisson", peak=10).tolist() == [0] * 9


@pytest.mark.parametrize(
    ("noise", "twice", "words"),
    [
        ({"kind": "gaussian", "sigma": 0.2}, {"sigma": 0.4}, "Gaussian, sigma 0.4"),
        ({"kind": "speckle", "sigma": 0.1}, {"sigma": 0.2}, "speckle, sigma 0.2"),
        ({"kind": "masking", "fraction": 0.3}, {"fraction": 0.6}, "masking, 60% of the pixels"),
        (
            {"kind": "salt_and_pepper", "fraction": 0.6},
            {"fraction": 0.95},
            "salt and pepper, 95% of the pixels",
        ),
        ({"kind": "poisson", "peak": 40}, {"peak": 10}, "Poisson, 10 photons at white"),
    ],
)
def test_noise_of_twice_the_strength(noise, twice, words):
    stronger = config(**noise).times(2.0)
    assert stronger.model_dump() == {**config(**noise).model_dump(), **twice}
    assert stronger.words == words


def test_validation_noise_depends_on_the_task_alone(make_task):
    clean = torch.rand(8, 1, 6, 6)
    noisy = validation_noise(clean, make_task("digits"))
    torch.manual_seed(99)
    assert torch.equal(noisy, validation_noise(clean, make_task("digits")))
    assert not torch.equal(noisy, validation_noise(clean, make_task("digits", seed=1)))


def test_validation_noise_refuses_a_task_that_brings_its_own():
    data = {"dataset": "pairs", "noisy": "a", "clean": "b"}
    with pytest.raises(ValueError, match=r"pairs bring their own"):
        validation_noise(torch.zeros(1), Task.model_validate({"data": data, "epochs": 1}))
