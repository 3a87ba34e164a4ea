"""All that holds a study back: its images, its search, its best trial and what others share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoencoder_hpo.diagnosis.findings import Facts, Finding, by_sureness
from autoencoder_hpo.diagnosis.images import of_images
from autoencoder_hpo.diagnosis.ranking import complete
from autoencoder_hpo.diagnosis.search import of_search
from autoencoder_hpo.diagnosis.trials import of_trial

MOST = 8
"""Nobody changes more at once."""
OTHERS = 40
"""Trials that are asked for what they share with others, the best ones; a note has little time."""
FEWEST, SHARE = 4, 0.5
"""Of the better half: what bad trials suffer from is why they are bad, and not tried again."""
LEADERS = 3
"""Trials right behind the best: what all of them suffer from is where the search goes."""
COVERED = {"divergence": "many-diverged"}
"""Kinds of one trial that a kind of the study says for all of them."""
SYMPTOMS = ("worse-than-input", "worse-than-affine")
"""Kinds that say how bad it is, and not why."""


def diagnose(facts: Facts) -> list[Finding]:
    """What holds the study back, the surest first; empty where nothing does."""
    found = [*of_images(facts), *of_search(facts), *of_good_trials(facts)]
    return folded(deferred(found))[:MOST]


def of_good_trials(facts: Facts) -> list[Finding]:
    """What the best trial suffers from, and what most of the good ones behind it do."""
    done = complete(facts)
    if not done:
        return []
    others = done[1 : min(len(done) // 2, OTHERS) + 1]
    theirs = [of_trial(trial, facts) for trial in others]
    return shared(of_trial(done[0], facts), theirs)


def shared(mine: Sequence[Finding], theirs: Sequence[Sequence[Finding]]) -> list[Finding]:
    """The best trial's findings, saying how many others share them; and those of many others.

    Args:
        theirs: the findings of each of the other good trials, the best first.
    """
    own = {finding.kind for finding in mine}
    examples = {each.kind: each for found in reversed(theirs) for each in found}
    return [
        *(_with_others(finding, _spread(finding.kind, theirs)) for finding in mine),
        *(
            _of_many(example, spread)
            for kind, example in examples.items()
            if kind not in own and (spread := _spread(kind, theirs)) is not None
        ),
    ]


@dataclass(frozen=True, slots=True)
class Spread:
    """How many of the other good trials show the same."""

    count: int
    who: str


def _spread(kind: str, theirs: Sequence[Sequence[Finding]]) -> Spread | None:
    """None where it is not common: neither half of the good trials, nor all that lead."""
    shows = [any(each.kind == kind for each in found) for found in theirs]
    if sum(shows) >= max(FEWEST, SHARE * len(shows)):
        return Spread(sum(shows), f"{sum(shows)} of {len(shows)} other good trials")
    if len(shows) > LEADERS and all(shows[:LEADERS]):
        return Spread(LEADERS, f"all {LEADERS} trials next to the best")
    return None


def _with_others(finding: Finding, spread: Spread | None) -> Finding:
    if spread is None:
        return finding
    said = f"{finding.seen} So do {spread.who}."
    return replace(finding, seen=said, figures={**finding.figures, "other trials": spread.count})


def _of_many(example: Finding, spread: Spread) -> Finding:
    """One finding for what many trials share, with the best of them as its example."""
    return replace(
        example,
        about="study",
        seen=f"Shared by {spread.who}. One of them, {example.about}: {example.seen}",
        figures={**example.figures, "trials": spread.count},
        sure="possible",
    )


def deferred(findings: Sequence[Finding]) -> list[Finding]:
    """Symptoms of the study leave the remedy to their causes, where these are known."""
    causes = [
        each.kind
        for each in findings
        if each.about != "study" and each.sure != "possible" and each.kind not in SYMPTOMS
    ]
    if not causes:
        return list(findings)
    remedy = f"Begin with what may cause it: {', '.join(causes)}, see below."
    return [
        replace(each, remedy=remedy, change=None)
        if each.kind in SYMPTOMS and each.about == "study"
        else each
        for each in findings
    ]


def folded(findings: Sequence[Finding]) -> list[Finding]:
    """One finding for each cause, the surest first.

    What is said of the study is not said again of a trial, and two findings that would change the
    same line of the study file have one cause.
    """
    of_study = {finding.kind for finding in findings if finding.about == "study"}
    kept: list[Finding] = []
    lines: set[str] = set()
    for finding in by_sureness(findings):
        line = "" if finding.change is None else finding.change.partition(":")[0]
        said = finding.kind in of_study and finding.about != "study"
        if said or line in lines or COVERED.get(finding.kind) in of_study:
            continue
        kept.append(finding)
        lines |= {line} - {""}
    return kept
