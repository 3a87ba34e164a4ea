"""Trials that could not be trained: how many, why, and where they gather."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from autoencoder_hpo.diagnosis.edits import End, Given, cut, path_of, without
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.proposals import written
from autoencoder_hpo.diagnosis.ranking import by_chance
from autoencoder_hpo.space import every_hole
from autoencoder_hpo.space.holes import Choice, Hole, Listed, Scalar
from autoencoder_hpo.storage.records import Cause, StoredTrial

FEWEST = 3
SHARE = 0.2
"""Of the trials that ended: samplers try bad corners, and a few of them fail."""
CHANCE = 0.01
"""That blind choice would gather the failures so, over all regions that are looked at."""


def of_failures(facts: Facts) -> list[Finding]:
    """A region where trials fail, else how many fail; what diverged is told apart."""
    ended = [trial for trial in facts.trials if trial.state.is_finished()]
    failed = [t for t in ended if t.is_infeasible or t.state is TrialState.FAIL]
    if len(failed) < FEWEST:
        return []
    diverged = [trial for trial in failed if trial.cause is Cause.NOT_FINITE]
    other = [trial for trial in failed if trial.cause is not Cause.NOT_FINITE]
    return [
        *_gathered(facts, ended, failed),
        *_many(facts, ended, diverged, "many-diverged"),
        *_many(facts, ended, other, "many-failed"),
    ]


def _reason(trial: StoredTrial) -> str:
    return trial.record.reason or "no reason was stored"


def _many(
    facts: Facts, ended: Sequence[StoredTrial], failed: Sequence[StoredTrial], kind: str
) -> list[Finding]:
    if len(failed) < FEWEST or len(failed) < SHARE * len(ended):
        return []
    seen = f"{len(failed)} of {len(ended)} trials that ended "
    if kind == "many-diverged":
        seen += "diverged: their loss was no longer a finite number."
        remedy = "Lower the high end of the learning rate, or clip the gradient."
        change = None if "gradient_clip" in facts.study.space else "trial.gradient_clip: 1.0"
    else:
        common = Counter(map(_reason, failed)).most_common(1)[0][0]
        seen += f"could not be trained, most often for this reason: {common}."
        remedy, change = "Mend the cause, or take what fails out of the space.", None
    figures = {"failed": len(failed), "ended": len(ended)}
    return [Finding(kind, "study", seen, figures, "certain", remedy, change)]


# ---- where they gather -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Region:
    """A part of one parameter: beyond `bound`, towards `end`; or one option of a choice."""

    hole: Hole
    given: Given
    end: End | None
    bound: Scalar
    failed: int
    tried: int
    chance: float


def _gathered(
    facts: Facts, ended: Sequence[StoredTrial], failed: Sequence[StoredTrial]
) -> list[Finding]:
    """Where the trials that could not be trained gather, if they do."""
    regions = [
        region
        for hole, given in every_hole(facts.study.space)
        for region in _regions(hole, given, ended, failed)
    ]
    worst = min(regions, key=lambda region: region.chance, default=None)
    if worst is None or worst.chance * len(regions) > CHANCE:
        return []
    return [_region(facts, worst, len(failed))]


def _regions(
    hole: Hole, given: Given, ended: Sequence[StoredTrial], failed: Sequence[StoredTrial]
) -> Iterator[Region]:
    """Every part of a parameter in which most trials fail."""
    tried = [trial.params[hole.name] for trial in ended if hole.name in trial.params]
    bad = [trial.params[hole.name] for trial in failed if hole.name in trial.params]
    ends: tuple[End | None, ...] = (None,)
    if not isinstance(hole, Listed | Choice):
        ends = ("low", "high")
    for bound in dict.fromkeys(bad):
        for end in ends:
            inside = sum(_is_beyond(value, bound, end) for value in tried)
            hits = sum(_is_beyond(value, bound, end) for value in bad)
            if hits >= FEWEST and 2 * hits >= inside and inside < len(tried):
                chance = by_chance(hits, drawn=len(bad), marked=inside, total=len(tried))
                yield Region(hole, given, end, bound, hits, inside, chance)


def _is_beyond(value: Scalar, bound: Scalar, end: End | None) -> bool:
    match end:
        case None:
            return value == bound
        case "low":
            return float(value or 0) <= float(bound or 0)
        case "high":
            return float(value or 0) >= float(bound or 0)


def _region(facts: Facts, found: Region, failed: int) -> Finding:
    path, bound = path_of(facts, found.hole), written(found.bound)
    where = {None: "is", "low": "is at most", "high": "is at least"}[found.end]
    remedy, change = f"Keep {path} away from there.", None
    match found.hole, found.end:
        case (Listed() | Choice()) as hole, _:
            remedy, change = without(facts, hole, found.bound)
        case hole, ("low" | "high") as end:
            change = cut(facts, hole, found.given, end, float(found.bound or 0))
    return Finding(
        kind="failed-region",
        about="study",
        seen=f"{found.failed} of the {failed} trials that could not be trained gather where {path} "
        f"{where} {bound}: there, {found.failed} of {found.tried} failed.",
        figures={"failed": found.failed, "tried": found.tried, "bound": bound},
        sure="likely",
        remedy=remedy,
        change=change,
    )
