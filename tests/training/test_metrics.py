"""Metrics against scikit-image's and hand-computed numbers."""

import math

import pytest
import torch
import torch.nn.functional as F
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.training.metrics import (
    bce_per_image,
    mean_scores,
    mse_per_image,
    per_image,
    psnr,
    psnr_of_groups,
    score,
    ssim,
    ssim_per_image,
)
from autoencoder_hpo.training.results import Scores


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


def inside(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with pixels in [0, 1]."""
    restored, clean = pair(*shape)
    return restored.clamp(0, 1), clean


@pytest.mark.parametrize("metric", Metric)
def test_the_mean_over_images_is_the_score(metric: Metric) -> None:
    restored, clean = inside(6, 3, 9, 8)
    scores = score(restored, restored, clean, metric)
    values_N = per_image(metric, restored, clean)
    assert values_N.shape == (6,)
    assert float(values_N.mean()) == pytest.approx(metric.of(scores), abs=1e-5)


@pytest.mark.parametrize("shape", [(6, 1, 8, 8), (4, 3, 28, 20), (5, 1, 3, 9)])
def test_ssim_of_each_image_is_that_of_scikit_image(shape: tuple[int, ...]) -> None:
    restored, clean = pair(*shape)
    own = ssim_per_image(restored, clean)
    assert own.tolist() == pytest.approx(
        [ssim(one[None], other[None]) for one, other in zip(restored, clean, strict=True)], abs=1e-5
    )


def test_ssim_of_bright_flat_images_is_not_lost_in_rounding() -> None:
    clean = torch.full((2, 1, 8, 8), 0.99)
    assert ssim_per_image(clean + 0.001, clean).tolist() == pytest.approx([1, 1], abs=1e-5)


def test_images_without_structure_have_no_ssim_of_each() -> None:
    with pytest.raises(ValueError, match=r"images of \(1, 30\) pixels have no structure"):
        ssim_per_image(*pair(4, 1, 1, 30))


def test_bce_is_that_of_torch() -> None:
    restored, clean = inside(6, 1, 8, 8)
    restored[0, 0, 0, :2] = torch.tensor([0.0, 1.0])  # where a logarithm has no end
    clean[0, 0, 0, :2] = torch.tensor([1.0, 0.0])
    own = float(bce_per_image(restored, clean).mean())
    assert own == pytest.approx(float(F.binary_cross_entropy(restored, clean)))
    assert torch.isnan(bce_per_image(restored * math.nan, clean)).all()


def test_scores_store_another_metric_only_where_they_went_by_it() -> None:
    restored, clean = inside(6, 1, 8, 8)
    names = [field for field in Scores.__dataclass_fields__ if field != "also"]
    for metric in (Metric.VAL_MSE, Metric.VAL_PSNR, Metric.VAL_SSIM):
        assert list(score(restored, restored, clean, metric).as_record()) == names
    both = [score(each, each, clean, Metric.VAL_BCE) for each in (restored, clean)]
    assert list(both[0].as_record()) == [*names, "val_bce"]
    mean = mean_scores(both)
    known = [each.also["val_bce"] for each in both]
    assert mean.also["val_bce"] == pytest.approx(sum(known) / 2)
