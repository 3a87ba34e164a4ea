import pytest
import torch
from pydantic import TypeAdapter
from torch import Generator

from autoencoder_hpo.config import Corruption, Task
from autoencoder_hpo.data.corruption import corrupt, validation_noise

KINDS = [
    {"kind": "gaussian", "sigma": 0.3},
    {"kind": "salt_and_pepper", "fraction": 0.2},
    {"kind": "masking", "fraction": 0.3},
    {"kind": "speckle", "sigma": 0.4},
    {"kind": "poisson", "peak": 50},
]


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


@pytest.mark.parametrize("given", KINDS, ids=lambda given: given["kind"])
def test_every_kind_is_pure_and_repeatable(given):
    clean = torch.rand(4, 3, 16, 16, generator=Generator().manual_seed(1))
    before = clean.clone()
    noisy = damage(clean, **given)
    assert torch.equal(clean, before)
    assert noisy.dtype == torch.float32
    assert noisy.shape == clean.shape
    assert torch.equal(noisy, damage(clean, **given))
    assert not torch.equal(noisy, damage(clean, seed=1, **given))


@pytest.mark.parametrize("given", KINDS, ids=lambda given: given["kind"])
def test_every_kind_clips_unless_told_otherwise(given):
    wide = torch.linspace(-1, 3, 4000)
    clipped, open_ = damage(wide, **given), damage(wide, **given, clip=False)
    assert clipped.min() >= 0
    assert clipped.max() <= 1
    assert open_.max() > 1
    assert torch.equal(open_.clamp(0, 1), clipped)


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
