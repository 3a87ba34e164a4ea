"""Taking trials and giving them back: exact budgets for any number of workers.

Claiming happens under the study's lock in the database, so that two workers never take the
last place in the budget together (R2), a grid cell twice (R11), or the same lost trial. A
claimed trial is kept alive by beats on the database's clock; one whose worker fell silent is
handed to the next worker that asks.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import sqlalchemy
from optuna.trial import FrozenTrial, Trial, TrialState

from autoencoder_hpo.ledger import CLEARED, DEADLINE, OpenStudy, count, stop
from autoencoder_hpo.search import CELL, GridSampler

BEAT_S = 15
GRACE_S = 60
"""A trial without a beat for this long is taken to have lost its worker."""
FAILURES_IN_A_ROW = 10
MOST_LOSSES = 3
"""A trial that lost its worker this often without finishing an epoch is failed."""

WORKER = "worker"
REASON = "reason"
LOSSES = "losses"


@dataclass(frozen=True, slots=True)
class Claimed:
    trial: Trial
    seconds_left: float | None
    """Until the study's deadline; None when it has none."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No trial to take. `wait`: others still work, and one of theirs may come back."""

    why: Literal["wait", "budget", "timeout", "stopped"]
    reason: str = ""

    @property
    def said(self) -> str:
        match self.why:
            case "wait":
                return "other workers train the last trials"
            case "budget":
                return "the budget is used up"
            case "timeout":
                return "the study's time is over"
            case "stopped":
                return f"the study was stopped: {self.reason}"


def claim(opened: OpenStudy, worker: str) -> Claimed | Nothing:
    """Take a trial that waits, or a new one while the budget has room."""
    with opened.storage.locked(opened.lock):
        refused = _refusal(opened)
        if refused:
            return refused
        reap(opened)
        counts = count(opened.trials())
        budget = opened.budget()
        taken = counts.finished + counts.running
        if budget.trials is not None and taken >= budget.trials:
            return Nothing("wait") if counts.running else Nothing("budget")
        if _no_cell_left(opened) and not counts.waiting:
            return Nothing("wait") if counts.running else Nothing("budget")
        trial = opened.optuna.ask()
        opened.storage.rdb.record_heartbeat(trial._trial_id)
        trial.set_user_attr(WORKER, worker)
        _give_cell(opened, trial)
    return Claimed(trial, _seconds_left(opened))


def has_work(opened: OpenStudy) -> bool:
    """Whether it is worth asking for a trial: a look without the study's lock.

    A running trial counts, because its worker may be lost.
    """
    if opened.stopped():
        return False
    left = _seconds_left(opened)
    if left is not None and left <= 0:
        return False
    counts, budget = count(opened.trials()), opened.budget()
    unfinished = counts.running or counts.waiting
    return bool(unfinished or budget.trials is None or counts.finished < budget.trials)


def _refusal(opened: OpenStudy) -> Nothing | None:
    reason = opened.stopped()
    if reason:
        return Nothing("stopped", reason)
    _start_clock(opened)
    left = _seconds_left(opened)
    if left is not None and left <= 0:
        return Nothing("timeout")
    failures = _failures_in_a_row(opened)
    if len(failures) >= FAILURES_IN_A_ROW:
        last = failures[-1].user_attrs.get(REASON, "no reason was stored")
        reason = f"{FAILURES_IN_A_ROW} trials in a row failed, the last one with: {last}"
        stop(opened, reason)
        return Nothing("stopped", reason)
    return None


def _failures_in_a_row(opened: OpenStudy) -> Sequence[FrozenTrial]:
    """The failed trials after the last one that finished, since a stop was last cleared."""
    since = opened.attr(CLEARED) or 0
    failures: list[FrozenTrial] = []
    for trial in opened.trials()[since:]:
        if trial.state is TrialState.FAIL:
            failures.append(trial)
        elif trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            failures.clear()
    return failures


def _start_clock(opened: OpenStudy) -> None:
    """The timeout is one deadline for the whole study, set by the first claim."""
    timeout = opened.budget().timeout
    if timeout is not None and opened.attr(DEADLINE) is None:
        opened.optuna.set_user_attr(DEADLINE, opened.storage.now() + timeout)


def _seconds_left(opened: OpenStudy) -> float | None:
    deadline = opened.attr(DEADLINE)
    return None if deadline is None else deadline - opened.storage.now()


def _free_cells(opened: OpenStudy) -> list[int] | None:
    """Grid cells that no trial tries or has tried, a failed one excepted; None: not a grid."""
    sampler = opened.optuna.sampler
    if not isinstance(sampler, GridSampler):
        return None
    taken = {t.user_attrs.get(CELL) for t in opened.trials() if t.state is not TrialState.FAIL}
    return [cell for cell in range(len(sampler.grid)) if cell not in taken]


def _no_cell_left(opened: OpenStudy) -> bool:
    return _free_cells(opened) == []


def _give_cell(opened: OpenStudy, trial: Trial) -> None:
    free = _free_cells(opened)
    if free and CELL not in trial.user_attrs:
        trial.set_user_attr(CELL, free[0])


# ---- keeping and giving back -----------------------------------------------------------


@contextmanager
def kept_alive(opened: OpenStudy, trial: Trial) -> Iterator[None]:
    """Send beats for this trial until the block ends."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT_S):
            try:
                opened.storage.rdb.record_heartbeat(trial._trial_id)
            except sqlalchemy.exc.SQLAlchemyError:
                continue  # the next beat may reach the database again

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def hand_back(opened: OpenStudy, trial_id: int) -> None:
    """Let another worker go on with this trial, under its own number and parameters (R3)."""
    opened.storage.optuna.set_trial_state_values(trial_id, TrialState.WAITING)


def is_mine(opened: OpenStudy, trial: Trial, worker: str) -> bool:
    """Whether the trial still runs here: a worker silent for long may have lost it (R5)."""
    stored = opened.storage.rdb.get_trial(trial._trial_id)
    return stored.state is TrialState.RUNNING and stored.user_attrs.get(WORKER) == worker


def reap(opened: OpenStudy) -> list[int]:
    """Hand back the trials whose worker fell silent. Call it under the study's lock.

    Returns their numbers. A running trial that never sent a beat gets one on behalf, and is
    silent a grace period later (R4).
    """
    lost = []
    for trial in opened.trials():
        if trial.state is TrialState.RUNNING and _is_silent(opened, trial._trial_id):
            _take_from_dead(opened, trial)
            lost.append(trial.number)
    return lost


def _take_from_dead(opened: OpenStudy, trial: FrozenTrial) -> None:
    storage = opened.storage.optuna
    epochs = trial.last_step or 0
    losses, epochs_then = trial.user_attrs.get(LOSSES, (0, 0))
    losses = 1 if epochs > epochs_then else losses + 1
    storage.set_trial_user_attr(trial._trial_id, LOSSES, (losses, epochs))
    if losses > MOST_LOSSES:
        reason = f"its worker was lost {losses} times without finishing an epoch"
        storage.set_trial_user_attr(trial._trial_id, REASON, reason)
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    else:
        hand_back(opened, trial._trial_id)


def _is_silent(opened: OpenStudy, trial_id: int) -> bool:
    age = _beat_age(opened, trial_id)
    if age is None:
        opened.storage.rdb.record_heartbeat(trial_id)
        return False
    return age > GRACE_S


def _beat_age(opened: OpenStudy, trial_id: int) -> float | None:
    """Seconds since the last beat, by the database's clock."""
    # Optuna keeps beats without a time zone, in the session's, which we set to UTC.
    now = "timezone('UTC', clock_timestamp())"
    seconds = f"extract(epoch from {now} - heartbeat)"
    if not opened.storage.is_server:
        seconds = "(julianday('now') - julianday(heartbeat)) * 86400"
    sql = sqlalchemy.text(f"select {seconds} from trial_heartbeats where trial_id = :trial")
    with opened.storage.engine.connect() as connection:
        age = connection.execute(sql, {"trial": trial_id}).scalar_one_or_none()
    return None if age is None else float(age)
