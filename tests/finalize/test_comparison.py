"""Planted differences are found, planted ties are called ties, and patches are not files."""

import numpy as np
import pytest
from scipy import stats

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.finalize import comparison
from autoencoder_hpo.finalize.comparison import (
    Candidate,
    choose_winner,
    estimate_difference,
    estimate_mean,
)

IMAGES = 400
PSNR = Metric.VAL_PSNR


def psnr(mean: float, *, seed: int = 0, spread: float = 3.0) -> np.ndarray:
    """Images differ by `spread` dB, as real ones do."""
    return mean + spread * np.random.default_rng(seed).standard_normal(IMAGES)


def nearly(values: np.ndarray, by: float, *, seed: int = 1) -> np.ndarray:
    """The same images restored by another, better by exactly this much on average."""
    noise = 0.3 * np.random.default_rng(seed).standard_normal(len(values))
    return values + by + noise - noise.mean()


def test_a_planted_winner_wins() -> None:
    small = psnr(24.0)
    verdict = choose_winner(
        [Candidate(3, 1000, small), Candidate(7, 90_000, nearly(small, 0.2))],
        metric=PSNR,
        groups=None,
        seed=0,
    )
    assert (verdict.winner, verdict.leader) == (7, 7)
    behind = verdict.ranking[1].behind
    assert behind.above_zero
    assert behind.mean == pytest.approx(0.2)
    assert "it is better than every other" in verdict.reason
    assert "by 0.20 dB" in verdict.reason


def test_a_planted_tie_is_won_by_the_smaller_model() -> None:
    small = psnr(24.0)
    large = nearly(small, 0.01)
    verdict = choose_winner(
        [Candidate(7, 90_000, large), Candidate(3, 1000, small)], metric=PSNR, groups=None, seed=0
    )
    assert verdict.leader == 7
    assert verdict.winner == 3
    assert "a tie" in verdict.reason
    assert "the smaller model wins, with 1,000 instead of 90,000" in verdict.reason


def test_a_tie_among_others_changes_nothing() -> None:
    """The two that tie are both clearly behind."""
    best = psnr(25.0)
    verdict = choose_winner(
        [
            Candidate(0, 50_000, best),
            Candidate(1, 10, nearly(best, -1.0)),
            Candidate(2, 20, nearly(best, -1.0, seed=2)),
        ],
        metric=PSNR,
        groups=None,
        seed=0,
    )
    assert verdict.winner == 0


def test_equal_denoisers_tie_and_the_lower_number_is_taken() -> None:
    values = psnr(20.0)
    pair = [Candidate(5, 100, values), Candidate(4, 100, values.copy())]
    verdict = choose_winner(pair, metric=PSNR, groups=None, seed=0)
    assert verdict.winner == 4
    assert verdict.ranking[1].behind.tie


def test_the_interval_is_that_of_theory() -> None:
    """For 400 differences the bootstrap's interval is nearly Student's."""
    values = psnr(0.5, spread=2.0)
    found = estimate_mean(values, groups=None, seed=0)
    low, high = stats.t.interval(0.95, IMAGES - 1, values.mean(), stats.sem(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_the_interval_covers_the_truth_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "RESAMPLES", 500)
    random = np.random.default_rng(0)
    found = [estimate_mean(random.standard_normal(50), groups=None, seed=i) for i in range(400)]
    hit = np.mean([e.low is not None and e.high is not None and e.low < 0 < e.high for e in found])
    assert 0.90 < hit < 0.98


def test_patches_of_a_file_are_drawn_together() -> None:
    """Ten files of forty patches, alike within a file: forty patches say no more than one."""
    files = np.repeat(np.arange(10), 40)
    values = np.random.default_rng(0).standard_normal(10)[files]
    alone = estimate_mean(values, groups=None, seed=0)
    together = estimate_mean(values, groups=files, seed=0)
    assert together.mean == pytest.approx(alone.mean)
    assert alone.low is not None
    assert together.low is not None
    assert (together.mean - together.low) > 4 * (alone.mean - alone.low)


def test_files_of_unequal_size_keep_their_weight() -> None:
    values, files = np.array([1.0] * 30 + [0.0] * 10), np.array([7] * 30 + [9] * 10)
    found = estimate_mean(values, groups=files, seed=0)
    assert (found.mean, found.low, found.high) == (0.75, 0.0, 1.0)


def test_one_file_cannot_tell() -> None:
    values = psnr(3.0, spread=0.1)
    one = np.zeros(IMAGES, dtype=np.int64)
    found = estimate_mean(values, groups=one, seed=0)
    assert found.tie
    assert (found.low, found.high) == (None, None)
    verdict = choose_winner(
        [Candidate(0, 9, values), Candidate(1, 5, values - 1)], metric=PSNR, groups=one, seed=0
    )
    assert verdict.winner == 1
    assert "one file cannot tell them apart" in verdict.reason


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = estimate_mean(psnr(1.0), groups=None, seed=3)
    assert whole == estimate_mean(psnr(1.0), groups=None, seed=3)
    assert whole != estimate_mean(psnr(1.0), groups=None, seed=4)
    monkeypatch.setattr(comparison, "AT_ONCE", 100 * IMAGES)
    assert whole == estimate_mean(psnr(1.0), groups=None, seed=3)


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        estimate_mean(np.array([]), groups=None, seed=0)
    with pytest.raises(ValueError, match="at least one candidate"):
        choose_winner([], metric=PSNR, groups=None, seed=0)
    with pytest.raises(ValueError, match="400 and 3 images cannot be compared"):
        estimate_difference(psnr(1.0), np.zeros(3), groups=None, seed=0)
