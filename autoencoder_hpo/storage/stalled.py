"""Trials that lost their worker: handed to the next one that asks.

A claimed trial is kept alive by beats on the database's clock. One whose worker fell silent for a
grace period waits again, under its number and with its curve.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from optuna.trial import TrialState

from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.leases import give_back
from autoencoder_hpo.storage.records import (
    LOSSES,
    Cause,
    TrialRecord,
)
from autoencoder_hpo.storage.study import StudyHandle, study_lock
from autoencoder_hpo.storage.study_records import FILE

MOST_LOSSES = 3
"""A trial that lost its worker this often without finishing an epoch is failed."""


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
        give_back(tx, trial_id)
