"""The pruning audit: which pruned trials to finish, and what was lost by ending them.

It takes the trials that were best when they were pruned, so that its share is an upper bound for
all of them. Training them is `complete_pruned`'s; nothing here needs torch.
"""

import math
from dataclasses import dataclass

from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.diagnosis.ranking import at_epoch, complete, curve, level, pruned
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import Audited


@dataclass(frozen=True, slots=True)
class Regret:
    """What ending trials early has cost, as far as an audit can tell.

    Attributes:
        finished: how many pruned trials were finished.
        db: the best of them over the study's best, in dB; below 0 nothing was lost; None where
            none had a finite loss to its end.
        share: of them, those that come within the best tenth of the complete trials.
        missed: their numbers.
    """

    finished: int
    db: float | None
    share: float
    missed: tuple[int, ...]


def promising(facts: Facts, number: int) -> list[StoredTrial]:
    """Pruned trials that no audit has finished, those first that were best when they ended.

    Best is whoever was least behind the study's best trial at the same epoch.
    """
    done = complete(facts)
    best = curve(done[0], facts) if done else {}
    known = {each.trial for each in facts.audit}

    def lead(trial: StoredTrial) -> float:
        last = max(trial.intermediate_values)
        mark = at_epoch(best, last) if best else 0.0
        return at_epoch(curve(trial, facts), last) - mark

    left = [
        trial
        for trial in pruned(facts)
        if trial.number not in known and trial.record.config and trial.record.run
    ]
    return sorted(left, key=lambda trial: (-lead(trial), trial.number))[:number]


def regret(facts: Facts) -> Regret | None:
    """What the audits came to, against the study's trials as they are now; None before one."""
    done = complete(facts)
    if not facts.audit or not done:
        return None
    metric = facts.study.search.objective
    reached = {
        each.trial: -math.inf if each.value is None else metric.decibel(each.value)
        for each in facts.audit
    }
    tenth = level(done[max(0, math.ceil(len(done) / 10) - 1)], facts)
    missed = tuple(number for number, came_to in reached.items() if came_to >= tenth)
    best = max(reached.values())
    return Regret(
        finished=len(reached),
        db=best - level(done[0], facts) if math.isfinite(best) else None,
        share=len(missed) / len(reached),
        missed=missed,
    )


def keep_audited(opened: StudyHandle, audited: Audited) -> None:
    """Add a finished trial to the study's audit; a later one of the same trial replaces it."""
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        others = [each for each in here.record().audit if each.trial != audited.trial]
        here.write(audit=(*others, audited))
