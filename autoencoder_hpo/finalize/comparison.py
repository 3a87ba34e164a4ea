"""Which of several denoisers is better, and whether their images can tell.

Denoisers are compared image by image, because images differ more than denoisers do. Patches of a
file, or other images that go together, are drawn together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.config.metric import Metric

RESAMPLES = 10_000
LEVEL = 0.95
AT_ONCE = 4_000_000
"""Groups drawn in one go: 32 MB of values, and half of that of places."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval; `low` and `high` are None where one group is all there is."""

    mean: float
    low: float | None
    high: float | None

    @property
    def above_zero(self) -> bool:
        return self.low is not None and self.low > 0

    @property
    def below_zero(self) -> bool:
        return self.high is not None and self.high < 0

    @property
    def tie(self) -> bool:
        """Whether 0 is inside the interval, so that the images do not tell who is better."""
        return not (self.above_zero or self.below_zero)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A denoiser that might win: its size, and its score of every image."""

    trial: int
    parameters: int
    values_N: Values

    @property
    def mean(self) -> float:
        return float(self.values_N.mean())


@dataclass(frozen=True, slots=True)
class Compared:
    """One candidate beside the one that has the best mean."""

    trial: int
    parameters: int
    mean: float
    behind: Estimate
    """By how much the best mean is better than this one; 0 to 0 for itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who wins, and why, in a sentence."""

    winner: int
    leader: int
    """The trial of the best mean."""
    ranking: tuple[Compared, ...]
    """The best mean first."""
    reason: str


def estimate_mean(values_N: Values, *, groups: NDArray[np.int64] | None, seed: int) -> Estimate:
    """The mean and its 95% percentile interval by the bootstrap (Efron, 1979).

    Args:
        groups: what is drawn together, a number for each value; None when each is its own.
        seed: decides the draws; equal seeds draw equal places for equally many groups.

    Raises:
        ValueError: there are no values.
    """
    if len(values_N) == 0:
        raise ValueError("an interval needs at least one value")
    sums, counts = _totals(values_N, groups)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Estimate(mean, None, None)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(_resampled(sums, counts, seed), [tail, 100 - tail])
    return Estimate(mean, float(low), float(high))


def estimate_difference(
    one_N: Values, other_N: Values, *, groups: NDArray[np.int64] | None, seed: int
) -> Estimate:
    """By how much the first is better on the same images; see `estimate_mean`.

    Raises:
        ValueError: they are not as many, or none.
    """
    if one_N.shape != other_N.shape:
        raise ValueError(f"{len(one_N)} and {len(other_N)} images cannot be compared one by one")
    return estimate_mean(one_N - other_N, groups=groups, seed=seed)


def choose_winner(
    candidates: Sequence[Candidate],
    *,
    metric: Metric,
    groups: NDArray[np.int64] | None,
    seed: int,
) -> Verdict:
    """The smallest of those that the images cannot tell from the best mean.

    `metric`: what the values are of.

    Raises:
        ValueError: there are no candidates.
    """
    if not candidates:
        raise ValueError("a choice needs at least one candidate")
    best_first = sorted(
        candidates, key=lambda each: (metric.rank(each.mean), each.parameters, each.trial)
    )
    leader = best_first[0]
    ranking = tuple(_beside(leader, each, metric, groups, seed) for each in best_first)
    equals = [each for each in ranking if each.trial == leader.trial or each.behind.tie]
    winner = min(equals, key=lambda each: (each.parameters, metric.rank(each.mean), each.trial))
    return Verdict(winner.trial, leader.trial, ranking, _reason(winner, ranking, metric))


def _beside(
    leader: Candidate,
    other: Candidate,
    metric: Metric,
    groups: NDArray[np.int64] | None,
    seed: int,
) -> Compared:
    if other is leader:
        behind = Estimate(0.0, 0.0, 0.0)
    else:
        ahead_N = metric.ahead(leader.values_N, other.values_N)
        behind = estimate_mean(ahead_N, groups=groups, seed=seed)
    return Compared(other.trial, other.parameters, other.mean, behind)


def _reason(winner: Compared, ranking: Sequence[Compared], metric: Metric) -> str:
    leader, *others = ranking
    if not others:
        return "it is the only candidate"
    if winner is not leader:
        return (
            f"trial {leader.trial} has {metric.named(leader.mean)} and trial {winner.trial} "
            f"{metric.said(winner.mean)}, which is a tie{_interval(winner.behind, metric)}; the "
            f"smaller model wins, with {winner.parameters:,} instead of {leader.parameters:,} "
            "parameters"
        )
    tied = [each for each in others if each.behind.tie]
    if tied:
        named = ", ".join(str(each.trial) for each in tied)
        return f"it has the {metric.best_end} mean, ties with trial {named}, and is no larger"
    nearest = others[0]
    return (
        f"it is better than every other: by {metric.by(nearest.behind.mean)} "
        f"than trial {nearest.trial}{_interval(nearest.behind, metric)}"
    )


def _interval(difference: Estimate, metric: Metric) -> str:
    if difference.low is None or difference.high is None:
        return " (one file cannot tell them apart)"
    low, high = (
        metric.digits(difference.low, signed=True),
        metric.said(difference.high, signed=True),
    )
    return f" (95% interval of the difference {low} to {high})"


def _totals(values_N: Values, groups: NDArray[np.int64] | None) -> tuple[Values, Values]:
    """Sum and number of the values of every group: [G], [G]."""
    if groups is None:
        return values_N.astype(np.float64), np.ones(len(values_N))
    _, place = np.unique(groups, return_inverse=True)
    sums = np.bincount(place, weights=values_N)
    return sums.astype(np.float64), np.bincount(place).astype(np.float64)


def _resampled(sums: Values, counts: Values, seed: int) -> Values:
    """The mean of every resample: [RESAMPLES]."""
    random = np.random.default_rng(seed)
    equal = bool((counts == counts[0]).all())
    rows = max(1, AT_ONCE // len(sums))
    means = []
    for start in range(0, RESAMPLES, rows):
        size = (min(rows, RESAMPLES - start), len(sums))
        drawn = random.integers(len(sums), size=size, dtype=np.int32)
        number = len(sums) * counts[0] if equal else counts[drawn].sum(1)
        means.append(sums[drawn].sum(1) / number)
    return np.concatenate(means)
