"""Keeping a claimed trial alive, finishing it and releasing it.

A worker holds a trial as long as it sends beats, on the database's clock. All of this happens in
transactions that hold the study's lock (a beat holds its trial's row), so that two workers never
finish the same trial (R5). A worker that is killed in the middle has done nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna.trial import TrialState

from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.records import (
    CONFIG,
    KEPT,
    WORKER,
    TrialRecord,
    reached_attrs,
)
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import HALTED, Halt, halt_of

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
    """In a transaction, the trial keeps its owner until the end of it."""
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
            give_back(tx, trial_id)


def give_back(storage: Storage, trial_id: int) -> None:
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
