"""When a search comes to a standstill: what counts as progress, and how long there was none."""

import math
from collections.abc import Sequence

from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import StudyRecord


def without_progress(levels: Sequence[float | None], *, step: float) -> int:
    """How many trials have ended since the best one was last bettered by a step, in dB.

    `levels`: of the trials that ended, in the order of their numbers, in dB; None: it was pruned.
    """
    best, since = -math.inf, 0
    for level in levels:
        since += 1
        if level is not None and level > best + step:
            best, since = level, 0
    return since


def at_a_standstill(opened: StudyHandle, record: StudyRecord) -> bool:
    """Whether the search has used up its patience, counted anew since a stop was last cleared."""
    patience, metric = opened.study.search.patience, opened.study.search.objective
    if patience is None:
        return False
    ended = opened.storage.rows(
        "select t.number, t.state, v.value from trials t left join trial_values v "
        "on v.trial_id = t.trial_id where t.study_id = :study "
        "and t.state in ('COMPLETE', 'PRUNED') order by t.number",
        study=opened.number,
    )
    levels = [
        metric.decibel(value) if state == "COMPLETE" and value is not None else None
        for _, state, value in ended
    ]
    fresh = sum(number >= record.cleared for number, _, _ in ended)
    return min(without_progress(levels, step=metric.step), fresh) >= patience
