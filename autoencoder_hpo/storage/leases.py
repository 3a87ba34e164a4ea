"""Taking trials, keeping them alive, settling them and giving them back.

All of it happens in transactions that hold the study's lock (a beat holds its trial's row), so
that two workers never take the last place in the budget together (R2), a grid cell twice (R11),
or finish the same trial (R5); a worker that is killed in the middle has done nothing. A claimed
trial is kept alive by beats on the database's clock; one whose worker fell silent is handed to
the next worker that asks.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from optuna.trial import TrialState

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.plateau import at_a_standstill
from autoencoder_hpo.storage.records import (
    CELL,
    CONFIG,
    KEPT,
    LOSSES,
    REASON,
    WORKER,
    Cause,
    TrialRecord,
    reached_attrs,
)
from autoencoder_hpo.storage.samplers import GridSampler
from autoencoder_hpo.storage.study import Counts, StudyHandle, seconds_left, study_lock
from autoencoder_hpo.storage.study_records import FILE, HALTED, Halt, StudyRecord, halt_of

FAILURES_IN_A_ROW = 10
MOST_LOSSES = 3
"""A trial that lost its worker this often without finishing an epoch is failed."""


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


# ---- a trial that runs ------------------------------------------------------------------


NUMBER_COMPLETE = (
    "(select count(*) from trials c where c.study_id = t.study_id and c.state = 'COMPLETE')"
)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose a trial is. `gone`: it was deleted, with its study."""

    owner: Literal["mine", "other", "gone"]
    state: str = ""
    halt: Halt | None = None
    complete: int = field(default=0, compare=False)
    """How many trials of the study are complete."""


def ownership(storage: Storage, trial_id: int, worker: str) -> Ownership:
    """In a transaction, the trial keeps its standing until the end of it."""
    found = storage.rows(
        f"select t.state, w.value_json, h.value_json, {NUMBER_COMPLETE} from trials t "
        "left join trial_user_attributes w on w.trial_id = t.trial_id and w.key = :worker "
        "left join study_user_attributes h on h.study_id = t.study_id and h.key = :halted "
        "where t.trial_id = :trial" + (" for update of t" if storage.is_server else ""),
        trial=trial_id,
        worker=WORKER,
        halted=HALTED,
    )
    return _ownership_of(found, worker)


def _ownership_of(found: Sequence[Any], worker: str) -> Ownership:
    if not found:
        return Ownership("gone")
    state, owner, halted, complete = found[0]
    if owner is None or json.loads(owner) != worker:
        return Ownership("other", state)
    halt = halt_of(json.loads(halted) if halted else None)
    return Ownership("mine", state, halt, complete)


def beat(
    opened: StudyHandle,
    trial_id: int,
    worker: str,
    epochs: Mapping[int, float],
    psnr: float | None,
) -> Ownership:
    """Say that the trial lives, and how its last epochs went; returns whose it is.

    `psnr`: of the last one, in dB; None where there is nothing new to tell.
    Nothing is written of a trial that is not, or no longer, this worker's.
    """
    attrs = {} if psnr is None else reached_attrs(psnr)
    if opened.storage.is_server:
        return _beat_in_one(opened.storage, trial_id, worker, epochs, attrs)
    with opened.storage.writing() as tx:
        found = ownership(tx, trial_id, worker)
        if found.owner == "mine" and found.state == "RUNNING":
            tx.rows(
                "update trial_heartbeats set heartbeat = current_timestamp where trial_id = :t",
                t=trial_id,
            )
            write_epochs(tx, trial_id, epochs)
            tx.write_attrs("trial_user", trial_id, attrs)
    return found


def _beat_in_one(
    storage: Storage,
    trial_id: int,
    worker: str,
    epochs: Mapping[int, float],
    attrs: Mapping[str, Any],
) -> Ownership:
    """All of `beat` in one statement: it is sent after every epoch (R15)."""
    found = storage.rows(
        "with trial as (select t.trial_id, t.state, w.value_json as worker, h.value_json as halted,"
        f" {NUMBER_COMPLETE} as complete from trials t "
        "left join trial_user_attributes w on w.trial_id = t.trial_id and w.key = :worker_key "
        "left join study_user_attributes h on h.study_id = t.study_id and h.key = :halted_key "
        "where t.trial_id = :trial for update of t), "
        "mine as (select trial_id from trial where state = 'RUNNING' and worker = :worker), "
        "beat as (update trial_heartbeats b set heartbeat = current_timestamp from mine "
        "where b.trial_id = mine.trial_id), "
        "told as (insert into trial_intermediate_values "
        "(trial_id, step, intermediate_value, intermediate_value_type) "
        "select trial_id, step, value, 'FINITE' from mine, "
        "unnest(cast(:steps as int[]), cast(:values as float8[])) as epoch(step, value) "
        "on conflict (trial_id, step) "
        "do update set intermediate_value = excluded.intermediate_value), "
        "noted as (insert into trial_user_attributes (trial_id, key, value_json) "
        "select trial_id, key, value_json from mine, "
        "unnest(cast(:keys as text[]), cast(:jsons as text[])) as attr(key, value_json) "
        "on conflict (trial_id, key) do update set value_json = excluded.value_json) "
        "select state, worker, halted, complete from trial",
        trial=trial_id,
        worker_key=WORKER,
        halted_key=HALTED,
        worker=json.dumps(worker),
        steps=list(epochs),
        values=list(epochs.values()),
        keys=list(attrs),
        jsons=[json.dumps(value) for value in attrs.values()],
    )
    return _ownership_of(found, worker)


def begin(
    opened: StudyHandle, trial_id: int, worker: str, record: TrialRecord, *, reached: int
) -> bool:
    """Say what the trial is, and that it goes on after the epoch that its checkpoint `reached`.

    What an earlier worker reported of later epochs is forgotten: they are trained again, or not.
    """
    with opened.storage.writing() as tx:
        mine = ownership(tx, trial_id, worker).owner == "mine"
        if mine:
            tx.write_attrs("trial_user", trial_id, record.as_attrs())
            tx.rows(
                "delete from trial_intermediate_values where trial_id = :trial and step > :reached",
                trial=trial_id,
                reached=reached,
            )
    return mine


def finish(
    opened: StudyHandle,
    trial_id: int,
    worker: str,
    state: TrialState,
    value: float | None,
    *,
    epochs: Mapping[int, float],
    record: TrialRecord,
    system: Mapping[str, Any],
) -> Ownership:
    """End the trial with all that it came to, at once; does nothing when it is another's (R5)."""
    with opened.storage.transaction(opened.lock) as tx:
        found = ownership(tx, trial_id, worker)
        if found.owner == "mine" and found.state == "RUNNING":
            write_epochs(tx, trial_id, epochs)
            tx.write_attrs("trial_user", trial_id, record.as_attrs())
            tx.write_attrs("trial_system", trial_id, system)
            values = None if value is None else [value]
            tx.optuna.set_trial_state_values(trial_id, state, values)
    return found


def write_epochs(storage: Storage, trial_id: int, epochs: Mapping[int, float]) -> None:
    """The objective after these epochs, as `Trial.report` keeps it."""
    storage.write_many(
        "insert into trial_intermediate_values "
        "(trial_id, step, intermediate_value, intermediate_value_type) "
        "values (:trial, :step, :value, 'FINITE') on conflict (trial_id, step) "
        "do update set intermediate_value = excluded.intermediate_value",
        [{"trial": trial_id, "step": step, "value": value} for step, value in epochs.items()],
    )


def release(opened: StudyHandle, trial_id: int, worker: str) -> None:
    """Let another worker go on with this trial, under its own number and parameters (R3)."""
    with opened.storage.transaction(opened.lock) as tx:
        found = ownership(tx, trial_id, worker)
        if found.owner == "mine" and found.state == "RUNNING":
            _give_back(tx, trial_id)


def _give_back(storage: Storage, trial_id: int) -> None:
    """The trial waits, with what `KEPT` says and its curve.

    One that was not drawn to the end loses its parameters too: what is drawn first decides what
    is drawn next.
    """
    kept = {f"kept_{number}": key for number, key in enumerate(KEPT)}
    names = ", ".join(f":{name}" for name in kept)
    storage.rows(
        "delete from trial_params where trial_id = :trial and not exists (select 1 from "
        "trial_user_attributes where trial_id = :trial and key = :config)",
        trial=trial_id,
        config=CONFIG,
    )
    storage.rows(
        f"delete from trial_user_attributes where trial_id = :trial and key not in ({names})",
        trial=trial_id,
        **kept,
    )
    storage.rows(
        "delete from trial_system_attributes where trial_id = :trial "
        "and (key like 'constraints%' or key like 'artifacts:%')",
        trial=trial_id,
    )
    storage.optuna.set_trial_state_values(trial_id, TrialState.WAITING)


# ---- trials that lost their worker ------------------------------------------------------


def requeue_stalled(opened: StudyHandle) -> list[int]:
    """Hand back the study's lost trials, and return their numbers."""
    with opened.storage.transaction(opened.lock) as tx:
        return requeue_silent(tx, opened.number)


def requeue_all_stalled(storage: Storage) -> list[tuple[int, int]]:
    """The same for every study of ours; returns studies and trials."""
    studies = storage.rows(
        "select distinct t.study_id from trials t join study_user_attributes a "
        "on a.study_id = t.study_id and a.key = :file where t.state = 'RUNNING'",
        file=FILE,
    )
    found = []
    for (study,) in studies:
        with storage.transaction(study_lock(study)) as tx:
            found += [(study, number) for number in requeue_silent(tx, study)]
    return found


def requeue_silent(tx: Storage, study: int) -> list[int]:
    """Hand back the trials whose worker fell silent, in a transaction with the study's lock.

    Returns their numbers. A running trial that never sent a beat gets one on behalf, and is
    silent a grace period later (R4). After an outage nobody is silent before every worker had
    the time to come back.
    """
    silent = []
    for trial_id, number, age in _ages(tx, study):
        if age is None:
            tx.rdb.record_heartbeat(trial_id)
        elif age > tx.grace:
            silent.append((trial_id, number))
    if not silent or tx.outages.ago < tx.grace or _server_age(tx) < tx.grace:
        return []
    for trial_id, _ in silent:
        _requeue(tx, trial_id)
    return [number for _, number in silent]


def _ages(tx: Storage, study: int) -> Sequence[tuple[int, int, float | None]]:
    """Running trials: id, number, seconds since their last beat by the database's clock."""
    # Optuna keeps beats without a time zone, in the session's, which we set to UTC.
    age = "extract(epoch from timezone('UTC', clock_timestamp()) - h.heartbeat)"
    if not tx.is_server:
        age = "(julianday('now') - julianday(h.heartbeat)) * 86400"
    found = tx.rows(
        f"select t.trial_id, t.number, {age} from trials t left join trial_heartbeats h "
        "on h.trial_id = t.trial_id where t.study_id = :study and t.state = 'RUNNING'",
        study=study,
    )
    return [(t, number, None if age is None else float(age)) for t, number, age in found]


def _server_age(tx: Storage) -> float:
    """Seconds since the server was started; no beat could be sent before."""
    if not tx.is_server:
        return float("inf")
    sql = "select extract(epoch from clock_timestamp() - pg_postmaster_start_time())"
    return float(tx.rows(sql)[0][0])


def _requeue(tx: Storage, trial_id: int) -> None:
    epochs, stored = tx.rows(
        "select coalesce(max(v.step), 0), (select value_json from trial_user_attributes "
        "where trial_id = :trial and key = :losses) from trial_intermediate_values v "
        "where v.trial_id = :trial",
        trial=trial_id,
        losses=LOSSES,
    )[0]
    losses, epochs_then = json.loads(stored) if stored else (0, 0)
    losses = 1 if epochs > epochs_then else losses + 1
    record = TrialRecord(losses=(losses, epochs))
    if losses > MOST_LOSSES:
        reason = f"its worker was lost {losses} times without finishing an epoch"
        record = replace(record, reason=reason, cause=Cause.LOST_WORKER)
    tx.write_attrs("trial_user", trial_id, record.as_attrs())
    if losses > MOST_LOSSES:
        tx.optuna.set_trial_state_values(trial_id, TrialState.FAIL)
    else:
        _give_back(tx, trial_id)
