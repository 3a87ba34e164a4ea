"""How long trials take, and whether a study has the time for longer ones."""

import math
from itertools import combinations
from statistics import median

from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.space.holes import Range
from autoencoder_hpo.storage.study import best_first

FIT = 20
"""Trials of a size that a search needs, at least, to tell it from others."""
BEST = 3
LONGER = 1.2
"""Times as long as at the end of the range: less is the same."""


def has_time_for(facts: Facts, hole: Range, value: float) -> bool:
    """Whether enough trials with this value, beyond an end, would fit into the study's timeout.

    Wider models take longer: under a timeout a search of them is one of fewer trials. True where
    there is no timeout, where trials take no longer, or where there is no way to tell.
    """
    timeout = facts.study.search.timeout
    took = [
        (float(trial.params[hole.name]), seconds)
        for trial in best_first(facts.trials, facts.study.search.objective)
        if hole.name in trial.params and (seconds := trial.record.seconds)
    ]
    if timeout is None or not took or min(value, hole.low, *(known for known, _ in took)) <= 0:
        return True
    end = hole.high if value > hole.high else hole.low
    expected, now = _expected(took, value), _expected(took, end)
    spent = sum(trial.record.seconds or 0.0 for trial in facts.trials)
    return expected <= LONGER * now or FIT * expected <= max(timeout, spent)


def _expected(took: list[tuple[float, float]], value: float) -> float:
    """Seconds of a trial with this value.

    A power of the value, through what the best trials took; its exponent is the median over all
    pairs of trials (Sen, 1968), which other parameters hardly move.

    Args:
        took: values and seconds of trials, those of the best first.
    """
    slopes = [
        math.log(long / short) / math.log(there / here)
        for (here, short), (there, long) in combinations(took, 2)
        if here != there
    ]
    slope = median(slopes) if slopes else 0.0
    return median(seconds * (value / known) ** slope for known, seconds in took[:BEST])
