"""Taking trials: the next one that waits, or a new one while the budget has room.

It happens in a transaction that holds the study's lock, so that two workers never take the last
place in the budget together (R2), or a grid cell twice (R11).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from optuna.trial import TrialState

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.plateau import at_a_standstill
from autoencoder_hpo.storage.records import (
    CELL,
    REASON,
    TrialRecord,
)
from autoencoder_hpo.storage.samplers import GridSampler
from autoencoder_hpo.storage.stalled import requeue_silent
from autoencoder_hpo.storage.study import Counts, StudyHandle, seconds_left
from autoencoder_hpo.storage.study_records import Halt, StudyRecord

FAILURES_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Claimed:
    trial_id: int
    number: int
    seconds_left: float | None
    """Until the study's deadline; None when it has none."""


@dataclass(frozen=True, slots=True)
class NoTrial:
    """No trial to take. `wait`: others still work, and one of theirs may come back."""

    why: Literal["wait", "paused", "budget", "timeout", "plateau", "stopped"]
    reason: str = ""

    @property
    def said(self) -> str:
        match self.why:
            case "wait":
                return "other workers train the last trials"
            case "paused":
                return f"the study is paused: {self.reason}"
            case "budget":
                return "the budget is used up"
            case "timeout":
                return "the study's time is over"
            case "plateau":
                return "the search makes no progress any more"
            case "stopped":
                return f"the study was stopped: {self.reason}"


def claim(
    opened: StudyHandle, worker: str, *, fixed: Mapping[str, Any] | None = None
) -> Claimed | NoTrial:
    """Take a trial that waits, or a new one while the budget has room.

    `fixed`: parameters that a new trial takes over; its sampler chooses the others.

    Raises:
        StudyError: the study is no longer there.
    """
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        record = _with_clock(here, record_of(here))
        refused = _refusal(here, record)
        if refused:
            return refused
        requeue_silent(tx, here.number)
        counts, budget = counted(here), record.budget
        if budget.trials is not None and counts.finished + counts.running >= budget.trials:
            return NoTrial("wait") if counts.running else NoTrial("budget")
        if not counts.waiting and at_a_standstill(here, record):
            return NoTrial("wait") if counts.running else NoTrial("plateau")
        cells = _free_cells(here)
        if cells == [] and not counts.waiting:
            return NoTrial("wait") if counts.running else NoTrial("budget")
        claimed = _take(here, seconds_left(here, record), fixed)
        tx.write_attrs("trial_user", claimed.trial_id, TrialRecord(worker=worker).as_attrs())
        if cells and not _has_cell(tx, claimed.trial_id):
            cell = TrialRecord(cell=cells[0])
            tx.write_attrs("trial_user", claimed.trial_id, cell.as_attrs())
    return claimed


def has_work(opened: StudyHandle) -> bool:
    """Whether it is worth asking for a trial: a look without the study's lock.

    A running trial counts, because its worker may be lost.
    """
    record = record_of(opened)
    left = seconds_left(opened, record)
    if record.halt or (left is not None and left <= 0):
        return False
    counts, budget = counted(opened), record.budget
    if counts.running or counts.waiting:
        return True
    has_room = budget.trials is None or counts.finished < budget.trials
    return has_room and not at_a_standstill(opened, record)


def record_of(opened: StudyHandle) -> StudyRecord:
    """Raises StudyError when the study was deleted (R20)."""
    try:
        return opened.record()
    except KeyError:
        raise StudyError(
            f"study {opened.name}", ["it was deleted; nothing is left to work on"]
        ) from None


def counted(opened: StudyHandle) -> Counts:
    """How many trials are in which state, without reading them."""
    found = opened.storage.rows(
        "select state, count(*) from trials where study_id = :study group by state",
        study=opened.number,
    )
    counts = {str(state): int(number) for state, number in found}
    return Counts(
        complete=counts.get("COMPLETE", 0),
        pruned=counts.get("PRUNED", 0),
        failed=counts.get("FAIL", 0),
        running=counts.get("RUNNING", 0),
        waiting=counts.get("WAITING", 0),
    )


def _take(
    opened: StudyHandle, seconds_left: float | None, fixed: Mapping[str, Any] | None
) -> Claimed:
    """The first trial that waits, or a new one, with its first beat."""
    waiting = opened.storage.rows(
        "select trial_id from trials where study_id = :study and state = 'WAITING' "
        "order by number limit 1",
        study=opened.number,
    )
    if waiting:
        trial_id = int(waiting[0][0])
        opened.storage.optuna.set_trial_state_values(trial_id, TrialState.RUNNING)
    else:
        trial_id = opened.storage.optuna.create_new_trial(opened.number)
        if fixed:  # as `Study.enqueue_trial` does
            opened.storage.write_attrs("trial_system", trial_id, {"fixed_params": fixed})
    opened.storage.rdb.record_heartbeat(trial_id)
    number = opened.storage.rows("select number from trials where trial_id = :t", t=trial_id)
    return Claimed(trial_id, int(number[0][0]), seconds_left)


def _refusal(opened: StudyHandle, record: StudyRecord) -> NoTrial | None:
    if record.halt:
        return NoTrial(record.halt.kind, record.halt.reason)
    left = seconds_left(opened, record)
    if left is not None and left <= 0:
        return NoTrial("timeout")
    reason = _failing(opened, since=record.cleared)
    if reason:
        opened.write(halt=Halt("stopped", reason, by_hand=False))
        return NoTrial("stopped", reason)
    return None


def _failing(opened: StudyHandle, since: int) -> str | None:
    """Why to stop: too many trials in a row failed, since a stop was last cleared."""
    last = opened.storage.rows(
        "select t.state, a.value_json from trials t left join trial_user_attributes a "
        "on a.trial_id = t.trial_id and a.key = :reason where t.study_id = :study "
        "and t.number >= :since and t.state in ('COMPLETE', 'PRUNED', 'FAIL') "
        "order by t.number desc limit :many",
        reason=REASON,
        study=opened.number,
        since=since,
        many=FAILURES_IN_A_ROW,
    )
    if len(last) < FAILURES_IN_A_ROW or any(state != "FAIL" for state, _ in last):
        return None
    cause = json.loads(last[0][1]) if last[0][1] else "no reason was stored"
    return f"{FAILURES_IN_A_ROW} trials in a row failed, the last one with: {cause}"


def _with_clock(opened: StudyHandle, record: StudyRecord) -> StudyRecord:
    """The timeout is one deadline for the whole study, set by the first claim."""
    timeout = record.budget.timeout
    if record.halt or timeout is None or record.deadline is not None:
        return record
    deadline = opened.storage.now() + timeout
    opened.write(deadline=deadline)
    return replace(record, deadline=deadline)


def _free_cells(opened: StudyHandle) -> list[int] | None:
    """Grid cells that no trial tries or has tried, a failed one excepted; None: not a grid."""
    sampler = opened.optuna.sampler
    if not isinstance(sampler, GridSampler):
        return None
    found = opened.storage.rows(
        "select a.value_json from trials t join trial_user_attributes a on a.trial_id = t.trial_id "
        "where t.study_id = :study and a.key = :cell and t.state <> 'FAIL'",
        study=opened.number,
        cell=CELL,
    )
    taken = {json.loads(value) for (value,) in found}
    return [cell for cell in range(len(sampler.grid)) if cell not in taken]


def _has_cell(storage: Storage, trial_id: int) -> bool:
    sql = "select 1 from trial_user_attributes where trial_id = :trial and key = :cell"
    return bool(storage.rows(sql, trial=trial_id, cell=CELL))
