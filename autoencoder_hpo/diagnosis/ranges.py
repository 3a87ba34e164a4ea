"""What the trials say of the space: ends that bind, and choices that lose."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from optuna.trial import TrialState

from autoencoder_hpo.diagnosis.edits import End, Given, path_of, widened, without
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.proposals import written
from autoencoder_hpo.diagnosis.ranking import (
    by_chance,
    complete,
    lead,
    level,
    near,
    numbers,
    ranked,
)
from autoencoder_hpo.space import every_hole
from autoencoder_hpo.space.holes import Choice, Hole, IntRange, Listed, Range, Scalar
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.study import Grid, Qmc, Random

AT_END, NEAR_END = 0.15, 0.25
"""Shares of a range next to its end: there lie the best trial, and the other best ones, whose other
parameters differ."""
BEST = 3
ENOUGH = 12
"""Trials that have the parameter: with fewer, the best three say little."""
LEAD = 2.5
"""Standard deviations by which the trials at an end are better. With this, one of 288 made-up
healthy searches of 25 to 60 trials was suspected; of those whose best value lay beyond an end,
nine in ten were found that TPE had searched, and seven in ten of the random ones."""
CHANCE = 0.002
"""An option would lose so often by chance; a study has up to some twenty options."""


@dataclass(frozen=True, slots=True)
class Held:
    """A hole of the space with the trials that filled it; `given`: what it takes to occur."""

    facts: Facts
    hole: Hole
    given: Given

    def held(self, trials: Sequence[StoredTrial]) -> list[StoredTrial]:
        return [trial for trial in trials if self.hole.name in trial.params]


def of_ranges(facts: Facts) -> list[Finding]:
    """What binds at the end of a range, and which choices lose."""
    found = []
    for hole, given in every_hole(facts.study.space):
        held = Held(facts, hole, given)
        found += [*_edges(held), *_losers(held)]
    return found


def place(value: float, hole: Range) -> float:
    """Where a value lies in a range: 0 is its low end, 1 its high end; logs where it is a log."""
    low, high, here = float(hole.low), float(hole.high), float(value)
    if hole.log:
        low, high, here = math.log(low), math.log(high), math.log(here)
    return (here - low) / (high - low)


# ---- ends that bind --------------------------------------------------------------------


def _edges(held: Held) -> Iterator[Finding]:
    hole = held.hole
    if isinstance(hole, Listed | Choice):
        return
    tried = held.held(ranked(held.facts))
    best = held.held(complete(held.facts)[:BEST])
    if len(tried) < ENOUGH or len(best) < BEST:
        return
    for end in ("low", "high"):
        change = _binds(tried, best, hole, end) and widened(held.facts, hole, held.given, end)
        if change:
            yield _edge(held.facts, hole, best, end, change)


def _binds(
    tried: Sequence[StoredTrial], best: Sequence[StoredTrial], hole: Range, end: End
) -> bool:
    """Whether the best lie at this end, and what was tried there is better than the rest."""
    if not _is_within(best[0], hole, end, AT_END):
        return False
    if not all(_is_within(trial, hole, end, NEAR_END) for trial in best):
        return False
    done = sum(trial.state is TrialState.COMPLETE for trial in tried)
    leads = (
        lead([_is_within(trial, hole, end, share) for trial in tried], complete=done)
        for share in (AT_END, NEAR_END)  # samplers that learn crowd at the very end
    )
    return max(leads) > LEAD


def _is_within(trial: StoredTrial, hole: Range, end: End, share: float) -> bool:
    value = float(trial.params[hole.name])
    if value == (hole.low if end == "low" else hole.high):
        return True
    here = place(value, hole)
    return (here if end == "low" else 1 - here) <= share


def _edge(facts: Facts, hole: Range, best: Sequence[StoredTrial], end: End, change: str) -> Finding:
    values = [float(trial.params[hole.name]) for trial in best]
    ends = f"{_said(hole.low, hole)} to {_said(hole.high, hole)}"
    return Finding(
        kind="edge-of-range",
        about="study",
        seen=f"The best {len(best)} trials lie near the {end} end of {path_of(facts, hole)}, which "
        f"goes from {ends}: {numbers(best)} with {', '.join(_said(v, hole) for v in values)}.",
        figures={
            "low": float(hole.low),
            "high": float(hole.high),
            "best": values[0],
            "from the end": round(
                place(values[0], hole) if end == "low" else 1 - place(values[0], hole), 3
            ),
        },
        sure="likely",
        remedy=f"Move the {end} end of this range outwards: the best value may lie beyond it.",
        change=change,
    )


def _said(value: float, hole: Range) -> str:
    return written(int(value) if isinstance(hole, IntRange) else float(value))


# ---- choices that lose -----------------------------------------------------------------


def _losers(held: Held) -> Iterator[Finding]:
    hole, facts = held.hole, held.facts
    if not isinstance(hole, Listed | Choice):
        return
    best = complete(facts)[:1]
    if not held.held(best):  # a choice that the best trial did not have to make
        return
    tried = held.held(ranked(facts))
    for option in Counter(trial.params[hole.name] for trial in tried):
        mine = [trial for trial in tried if trial.params[hole.name] == option]
        behind = min((_behind(trial, best[0], facts) for trial in mine), default=math.inf)
        if behind > near(facts) and _loses(_fairly_drawn(facts, tried), hole, option):
            yield _loser(facts, hole, option, best[0], mine)


def _behind(trial: StoredTrial, best: StoredTrial, facts: Facts) -> float:
    """How far behind the best, in dB; of a pruned trial nobody knows."""
    if trial.state is not TrialState.COMPLETE:
        return math.inf
    return level(best, facts) - level(trial, facts)


def _fairly_drawn(facts: Facts, tried: Sequence[StoredTrial]) -> list[StoredTrial]:
    """Trials whose options had equal chances.

    A sampler that learns leaves an option for early bad luck, and tunes the others: what it still
    tries in the second half of a study has been tuned as well.
    """
    if isinstance(facts.study.search.sampler, Grid | Random | Qmc):
        return list(tried)
    middle = median(trial.number for trial in tried)
    return [trial for trial in tried if trial.number >= middle]


def _loses(tried: Sequence[StoredTrial], hole: Listed | Choice, option: Scalar) -> bool:
    """Whether none is in the better half, which chance would hardly do."""
    mine = [trial for trial in tried if trial.params[hole.name] == option]
    better = {trial.number for trial in tried[: len(tried) // 2]}
    if any(trial.number in better for trial in mine):
        return False
    worse = len(tried) - len(better)
    return by_chance(len(mine), drawn=len(mine), marked=worse, total=len(tried)) < CHANCE


def _loser(
    facts: Facts,
    hole: Listed | Choice,
    option: Scalar,
    best: StoredTrial,
    mine: Sequence[StoredTrial],
) -> Finding:
    path, said = path_of(facts, hole), written(option)
    done = [trial for trial in mine if trial.state is TrialState.COMPLETE]
    figures: dict[str, float | str] = {"option": said, "trials": len(mine), "complete": len(done)}
    seen = f"{len(mine)} trials tried {said} for {path}, and none is among the better half"
    if done:
        behind = min(_behind(trial, best, facts) for trial in done)
        apart = facts.study.search.objective.apart
        figures["behind, dB"] = round(behind, 3)
        seen += f"; the best of them is {apart(behind)} behind trial {best.number}"
    remedy, change = without(facts, hole, option)
    return Finding("losing-choice", "study", f"{seen}.", figures, "likely", remedy, change)
