"""All baselines for typical noise, and the choice of their settings; `contracts` has every kind."""

from importlib.util import find_spec

import pytest
import torch
from baselines.examples import TYPICAL, corruption, digits, mean_psnr, noisy, photographs
from torch import Tensor

from autoencoder_hpo.baselines import Baseline, fit_baselines
from autoencoder_hpo.baselines.expected import Unbias
from autoencoder_hpo.baselines.filters import BM3D_SMALLEST, AsItIs, Gaussian, Median
from autoencoder_hpo.baselines.tuning import Sample, best_of
from autoencoder_hpo.config import Corruption

QUICK = ["noisy input", "affine filter", "gaussian filter", "median filter", "total variation", "wavelet"]  # fmt: skip
EVERY = [*QUICK, "non-local means"]
BLURRED_AT_BEST = 0.2
"""dB that a filter may lose to a noisy input which it should have left alone."""


@pytest.fixture(autouse=True)
def _few_images_to_tune_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoencoder_hpo.baselines.fit.QUICK_VALUES", 2**9)
    monkeypatch.setattr("autoencoder_hpo.baselines.fit.BM3D_VALUES", 1)
    monkeypatch.setattr("autoencoder_hpo.baselines.tuning.DEVIATIONS", (0.9,))
    monkeypatch.setattr("autoencoder_hpo.baselines.tuning.FEWEST", 2)


def fit(train: Tensor, val: Tensor, config: Corruption, *, paired: bool = False) -> list[Baseline]:
    return fit_baselines(
        train,
        corruption=None if paired else config,
        val_clean=val,
        val_noisy=noisy(val, config, seed=2),
        train_noisy=noisy(train, config, seed=3) if paired else None,
    )


@pytest.mark.parametrize("kind", [*TYPICAL, "pairs"])
def test_every_baseline_restores_digits_it_has_not_seen(kind: str) -> None:
    config = corruption("gaussian" if kind == "pairs" else kind)
    baselines = fit(digits(0, 800), digits(800, 200), config, paired=kind == "pairs")
    assert [baseline.name for baseline in baselines] == EVERY  # too small for BM3D
    clean = digits(1000, 100)
    given = noisy(clean, config, seed=4)
    scores = {b.name: mean_psnr(b.restore(given), clean) for b in baselines}
    before = scores.pop("noisy input")
    assert scores["affine filter"] > before + 1.5
    assert all(score > before - BLURRED_AT_BEST for score in scores.values()), (before, scores)
    assert sorted(scores.values())[-3] > before + 0.5


@pytest.mark.parametrize("grey", [True, False])
def test_every_baseline_restores_photographs(grey: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoencoder_hpo.baselines.affine.WHOLE", 100)
    pieces, config = photographs(200, size=(24, 20), grey=grey), corruption(sigma=0.1)
    baselines = fit(pieces[::2], pieces[1::4], config)
    assert baselines[1].settings["sees"] == "11×11 pixels"
    assert [b.name for b in baselines] == EVERY + ["BM3D"] * (find_spec("bm3d") is not None)
    clean = pieces[3::100]
    given = noisy(clean, config, seed=4)
    before = mean_psnr(given, clean)
    for baseline in baselines[1:]:
        assert mean_psnr(baseline.restore(given), clean) > before + 1, baseline.name


def test_a_second_fit_is_the_same_to_the_last_digit() -> None:
    given = noisy(digits(300, 20), corruption())
    first, second = (fit(digits(0, 200), digits(200, 60), corruption()) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.settings == other.settings
        assert torch.equal(one.restore(given), other.restore(given))


def test_restored_images_are_in_range_and_the_noisy_input_is_left_as_it_is() -> None:
    config = corruption("unclipped")
    given = noisy(digits(300, 20), config)
    for baseline in fit(digits(0, 200), digits(200, 60), config):
        restored = baseline.restore(given)
        if baseline.name == "noisy input":
            assert torch.equal(restored, given)
        else:
            assert 0 <= float(restored.min()) <= float(restored.max()) <= 1
        assert restored.dtype == torch.float32


def test_the_settings_say_what_was_chosen_and_the_names_are_told_in_turn() -> None:
    told: list[str] = []
    val = digits(200, 60)
    baselines = fit_baselines(
        digits(0, 200),
        corruption=corruption(),
        val_clean=val,
        val_noisy=noisy(val, corruption()),
        progress=told.append,
    )
    assert told == EVERY[1:]
    assert [b.name for b in baselines if b.slow] == ["non-local means"]
    by_name = {baseline.name: baseline.settings for baseline in baselines}
    assert by_name["affine filter"]["sees"] == "the whole image"
    assert by_name["affine filter"]["training images"] == 200
    assert by_name["non-local means"]["debiased"] == "yes"
    assert by_name["total variation"]["chosen on"] == "8 validation images, 8×8 pixels each"
    assert float(by_name["gaussian filter"]["sigma"]) > 0


def test_without_noise_there_is_nothing_to_beat() -> None:
    clean = digits(0, 40)
    (only,) = fit_baselines(clean, corruption=corruption(), val_clean=clean, val_noisy=clean)
    assert only.name == "noisy input"


# ---- the choice ------------------------------------------------------------------------


def test_the_best_of_the_grid_is_chosen() -> None:
    clean = photographs(4, size=(40, 40))
    sample = Sample(noisy(clean, corruption()), clean)
    unbias = Unbias.of(corruption())
    assert unbias is not None
    filters = [AsItIs(), Gaussian(0.4), Gaussian(0.9), Median(3), Gaussian(4.0)]
    chosen = best_of(filters, sample, unbias)
    scores = {
        (filter, debiased): mean_psnr(
            (unbias(filter(sample.noisy)) if debiased else filter(sample.noisy)).clamp(0, 1), clean
        )
        for filter in filters
        for debiased in (False, True)
    }
    assert chosen.psnr == max(scores.values())
    assert scores[chosen.filter, chosen.unbias is not None] == chosen.psnr  # type: ignore[index]
    assert chosen.filter != AsItIs()


def test_debiasing_is_chosen_where_it_helps_only() -> None:
    dark, grey = torch.zeros(4, 1, 20, 20), torch.full((4, 1, 20, 20), 0.5)
    config = corruption(sigma=0.1)
    unbias = Unbias.of(config)
    on_dark = best_of([Gaussian(2.0)], Sample(noisy(dark, config), dark), unbias)
    assert on_dark.unbias is unbias
    config = corruption("salt_and_pepper", fraction=0.1)  # of which a median takes no notice
    sample = Sample(noisy(0.6 * grey, config), 0.6 * grey)
    assert best_of([Median(5)], sample, Unbias.of(config)).unbias is None


def test_a_sample_is_spread_over_the_images_and_cut_to_their_middle() -> None:
    images = torch.arange(100.0).view(100, 1, 1, 1).expand(100, 1, 10, 30).clone()
    images[..., 8:22] += 1000
    sample = Sample.of(images, images, values=10 * 140, side=14)
    assert sample.clean.shape == (10, 1, 10, 14)
    assert (sample.clean >= 1000).all()
    assert sample.clean[:, 0, 0, 0].tolist()[::9] == [1000, 1099]
    assert len(Sample.of(images, images, values=1, side=14).clean) == 2
    assert len(Sample.of(images[:3], images[:3], values=10**6, side=14).clean) == 3


def test_bm3d_gets_no_images_that_it_dies_of() -> None:
    """bm3d 4.0.3 ends the process, without an exception, on 8×8."""
    small = photographs(8, size=(BM3D_SMALLEST - 1, 40), grey=True)
    assert [b.name for b in fit(small, small, corruption())] == EVERY
