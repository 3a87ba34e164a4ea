"""The affine filter: nothing affine is better."""

import numpy as np
import pytest
import torch
from baselines.examples import TYPICAL, corruption, digits, mean_psnr, noisy, photographs
from torch import Generator, Tensor

from autoencoder_hpo.baselines import affine, fit_affine
from autoencoder_hpo.baselines.affine import WholeImageMap, WindowFilter, moments


def error(filter: affine.AffineFilter, noisy_NCHW: Tensor, clean_NCHW: Tensor) -> float:
    return float((filter(noisy_NCHW) - clean_NCHW).double().square().mean())


def test_it_is_the_least_squares_solution_of_numpy() -> None:
    clean = digits(0, 400)[:, :, 2:6, 2:6]
    given = noisy(clean, corruption())
    found = moments(clean, noisy_NCHW=given, corruption=None).solve(0.0)
    assert isinstance(found, WholeImageMap)
    with_one = np.hstack([given.flatten(1).double().numpy(), np.ones((400, 1))])
    best, *_ = np.linalg.lstsq(with_one, clean.flatten(1).double().numpy(), rcond=None)
    np.testing.assert_allclose(found.weight_TD.numpy(), best[:-1].T, atol=1e-5)
    np.testing.assert_allclose(found.bias_T.numpy(), best[-1], atol=1e-5)


def least_error(given_MD: Tensor, target_MT: Tensor) -> float:
    """Of any affine map of these vectors, by numpy."""
    with_one = np.hstack([given_MD.double().numpy(), np.ones((len(given_MD), 1))])
    target = target_MT.double().numpy()
    best, *_ = np.linalg.lstsq(with_one, target, rcond=None)
    return float(np.square(with_one @ best - target).mean())


@pytest.mark.parametrize("kind", [*TYPICAL, "pairs"])
def test_no_map_of_the_whole_image_restores_the_training_images_better(kind: str) -> None:
    """Of pairs as they are; of a corruption on average, which 60 draws come close to."""
    clean, config = digits(0, 300)[..., 2:6], corruption("gaussian" if kind == "pairs" else kind)
    target = clean.repeat(1 if kind == "pairs" else 60, 1, 1, 1)
    many = noisy(target, config)
    best = moments(clean, noisy_NCHW=many if kind == "pairs" else None, corruption=config).solve(
        0.0
    )
    assert isinstance(best, WholeImageMap)
    least = error(best, many, target)
    assert least < 1.01 * least_error(many.flatten(1), target.flatten(1))
    generator = Generator().manual_seed(2)
    for _ in range(5):
        weight = best.weight_TD + 0.01 * torch.randn(best.weight_TD.shape, generator=generator)
        assert error(WholeImageMap(weight, best.bias_T), many, target) > least
        assert error(WholeImageMap(best.weight_TD, best.bias_T + 0.01), many, target) > least


@pytest.mark.parametrize("kind", [*TYPICAL, "pairs"])
def test_no_window_restores_the_training_images_better(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away from the border, where a window sees itself mirrored; within what 5 draws can tell."""
    monkeypatch.setattr(affine, "WHOLE", 100)
    clean = photographs(12, size=(30, 25), grey=True).repeat(5, 1, 1, 1)
    config = corruption("gaussian" if kind == "pairs" else kind)
    many = noisy(clean, config)
    best = moments(clean, noisy_NCHW=many if kind == "pairs" else None, corruption=config).solve(0)
    assert isinstance(best, WindowFilter)
    assert best.kernel.shape == (1, 1, 11, 11)
    inner = (..., slice(5, -5), slice(5, -5))
    reached = float((best(many) - clean)[inner].double().square().mean())
    windows = many.unfold(2, 11, 1).unfold(3, 11, 1).reshape(-1, 121)
    assert reached < 1.04 * least_error(windows, clean[inner].reshape(-1, 1))


def test_it_is_the_same_whatever_the_size_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = digits(0, 150)
    whole = moments(clean, noisy_NCHW=None, corruption=corruption()).solve(0.01)
    monkeypatch.setattr(affine, "CHUNK_VALUES", 7 * 64)
    parts = moments(clean, noisy_NCHW=None, corruption=corruption()).solve(0.01)
    given = noisy(clean, corruption())
    assert torch.allclose(whole(given), parts(given), atol=1e-6)


def test_a_window_takes_images_of_another_size_and_a_map_does_not() -> None:
    window = moments(photographs(4, size=(40, 50)), noisy_NCHW=None, corruption=corruption())
    assert window.solve(0.01)(torch.rand(2, 3, 17, 90)).shape == (2, 3, 17, 90)
    whole = moments(digits(0, 50), noisy_NCHW=None, corruption=corruption()).solve(0.01)
    with pytest.raises(ValueError, match="fitted on images of 64 values, given 81"):
        whole(torch.rand(1, 1, 9, 9))


@pytest.mark.parametrize("shape", [(1, 1, 2500), (1, 4, 600), (4, 24, 25)])
def test_the_window_fits_into_odd_shapes(shape: tuple[int, int, int]) -> None:
    clean = torch.rand(6, *shape, generator=Generator().manual_seed(0))
    found = moments(clean, noisy_NCHW=None, corruption=corruption()).solve(0.01)
    assert isinstance(found, WindowFilter)
    assert found(clean).shape == clean.shape


def test_few_images_and_constant_pixels_do_no_harm() -> None:
    clean = digits(0, 200)  # of 64 pixels, some of which are always 0
    val_clean = digits(900, 200)
    val_noisy = noisy(val_clean, corruption(), seed=3)
    baseline = fit_affine(
        clean,
        corruption=None,
        train_noisy=noisy(clean, corruption()),
        val_clean=val_clean,
        val_noisy=val_noisy,
    )
    assert float(baseline.settings["ridge"]) > 1e-3
    before = mean_psnr(val_noisy, val_clean)
    assert mean_psnr(baseline.restore(val_noisy), val_clean) > before + 1


def test_neither_noise_nor_noisy_images_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="neither noisy training images nor a corruption"):
        moments(digits(0, 9), noisy_NCHW=None, corruption=None)
