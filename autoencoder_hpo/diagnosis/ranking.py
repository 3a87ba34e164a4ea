"""How good trials are, in dB, and which of them are the best: what all findings compare."""

import math
from collections.abc import Mapping, Sequence

from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.storage.records import Cause, StoredTrial
from autoencoder_hpo.storage.study import best_first

NEAR = 4
"""Steps of the metric: trials this close are as good as each other, and may only be luckier."""


def near(facts: Facts) -> float:
    """Trials this close are as good as each other, in dB."""
    return NEAR * facts.study.search.objective.step


def complete(facts: Facts) -> list[StoredTrial]:
    """The complete trials, the best first; the earlier of equal ones."""
    return best_first(facts.trials, facts.study.search.objective)


def level(trial: StoredTrial, facts: Facts) -> float:
    """What a complete trial came to, in dB."""
    assert trial.value is not None, "only complete trials have a level"
    return facts.study.search.objective.decibel(trial.value)


def pruned(facts: Facts) -> list[StoredTrial]:
    """Trials that the pruner has ended, in the order of their numbers."""
    return [
        trial
        for trial in facts.trials
        if trial.cause is Cause.UNPROMISING and trial.intermediate_values
    ]


def ranked(facts: Facts) -> list[StoredTrial]:
    """The complete trials, the best first, and behind them those that the pruner has ended."""
    return [*complete(facts), *pruned(facts)]


def curve(trial: StoredTrial, facts: Facts) -> Mapping[int, float]:
    """The best level up to each epoch, in dB: what pruners and we compare."""
    best, found = -math.inf, {}
    for epoch, value in sorted(trial.intermediate_values.items()):
        if math.isfinite(value):
            best = max(best, facts.study.search.objective.decibel(value))
        found[epoch] = best
    return found


def at_epoch(known: Mapping[int, float], epoch: int) -> float:
    """The level that a curve has at an epoch, in dB; of one that had ended, its last one."""
    if epoch in known:
        return known[epoch]
    return max((best for at, best in known.items() if at <= epoch), default=-math.inf)


def numbers(trials: Sequence[StoredTrial], most: int = 5) -> str:
    """Trials as people say them: `trial 3`, `trials 3, 5 and 8`."""
    said = [str(trial.number) for trial in trials]
    if len(said) == 1:
        return f"trial {said[0]}"
    if len(said) > most:
        return f"trials {', '.join(said[:most])} and {len(said) - most} more"
    return f"trials {', '.join(said[:-1])} and {said[-1]}"


def lead(marked: Sequence[bool], *, complete: int) -> float:
    """How far the marked ones of `ranked` trials stand ahead of the others.

    In standard deviations of what blind ranks would give (Mann & Whitney, 1947). `complete`: how
    many of them are; behind those, the pruned ones share one rank.
    """
    total, many = len(marked), sum(marked)
    if many in (0, total):
        return 0.0
    shared = (total - complete + 1) / 2
    ranks = [total - place if place < complete else shared for place in range(total)]
    found = sum(rank for rank, is_marked in zip(ranks, marked, strict=True) if is_marked)
    spread = math.sqrt(many * (total - many) * (total + 1) / 12)
    return (found - many * (total + 1) / 2) / spread


def by_chance(hits: int, *, drawn: int, marked: int, total: int) -> float:
    """The probability that so many or more of the drawn are marked, if they are drawn blindly."""
    ways = sum(
        math.comb(marked, found) * math.comb(total - marked, drawn - found)
        for found in range(hits, min(drawn, marked) + 1)
    )
    return ways / math.comb(total, drawn)
