"""Metrics against scikit-image's and hand-computed numbers."""

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from autoencoder_hpo.training.metrics import (
    Scores,
    mean_scores,
    mse_per_image,
    psnr,
    psnr_of_groups,
    score,
    ssim,
)


def test_the_mean_psnr_is_not_the_psnr_of_the_mean() -> None:
    clean = torch.zeros(2, 1, 8, 8)
    restored = torch.stack([torch.full((1, 8, 8), 0.1), torch.full((1, 8, 8), 0.01)])
    mse = mse_per_image(restored, clean)
    assert psnr(mse).tolist() == pytest.approx([20.0, 40.0], abs=1e-3)
    scores = score(restored, restored, clean)
    assert scores.val_psnr == pytest.approx(30.0, abs=1e-3)
    assert scores.val_psnr > -10 * math.log10(scores.val_mse)


def test_perfect_images_have_a_finite_psnr() -> None:
    clean = torch.rand(2, 1, 8, 8)
    scores = score(clean, clean, clean)
    assert scores.val_psnr == 100.0
    assert scores.val_ssim == pytest.approx(1.0)
    assert (scores.noisy_psnr, scores.noisy_ssim, scores.psnr_gain) == (None, None, None)


def test_ssim_of_what_has_no_structure_is_none() -> None:
    assert ssim(torch.rand(4, 1, 1, 30), torch.rand(4, 1, 1, 30)) is None
    assert ssim(torch.rand(4, 1, 2, 2), torch.rand(4, 1, 2, 2)) is None
    assert ssim(torch.rand(4, 3, 4, 4), torch.rand(4, 3, 4, 4)) is not None


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    clean = torch.rand(*shape, generator=random)
    return clean + 0.1 * torch.randn(*shape, generator=random), clean


def test_psnr_is_scikit_images() -> None:
    restored, clean = pair(5, 3, 9, 7)
    theirs = [
        peak_signal_noise_ratio(c, r, data_range=1)
        for c, r in zip(clean.numpy(), restored.numpy(), strict=True)
    ]
    assert psnr(mse_per_image(restored, clean)).tolist() == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize(("side", "window"), [(9, 7), (6, 5), (3, 3)])
def test_ssim_is_the_mean_of_scikit_images(side: int, window: int) -> None:
    restored, clean = pair(4, 1, side, side)
    theirs = [
        structural_similarity(r[0], c[0], win_size=window, data_range=1.0)
        for c, r in zip(clean.numpy(), restored.numpy(), strict=True)
    ]
    assert ssim(restored, clean) == pytest.approx(sum(theirs) / 4, abs=1e-5)


def test_the_gain_is_over_the_noisy_image() -> None:
    noisy, clean = pair(4, 1, 8, 8)
    scores = score((noisy + clean) / 2, noisy, clean)
    assert scores.psnr_gain == pytest.approx(20 * math.log10(2), abs=1e-4)


def test_the_mean_over_folds_is_none_where_any_fold_has_none() -> None:
    one = Scores(0.1, 10.0, 0.5, 0.2, 7.0, 0.4, 3.0)
    other = Scores(0.3, 20.0, None, 0.4, 9.0, 0.6, 11.0)
    mean = mean_scores([one, other])
    assert mean.val_ssim is None
    assert (mean.val_mse, mean.val_psnr, mean.noisy_ssim, mean.psnr_gain) == pytest.approx(
        (0.2, 15.0, 0.5, 7.0)
    )


def test_groups_are_means_over_their_images() -> None:
    clean = torch.zeros(3, 1, 8, 8)
    errors = [torch.full((1, 8, 8), error) for error in (0.1, 0.01, 0.1)]
    found = psnr_of_groups(mse_per_image(torch.stack(errors), clean), ("dogs", "cats", "cats"))
    assert found == {"cats": 30.0, "dogs": 20.0}
    assert psnr_of_groups(mse_per_image(clean, clean), None) is None
