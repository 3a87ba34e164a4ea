"""Exact budgets, trials handed back and taken from the dead, whatever the number of workers."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from optuna.trial import TrialState
from support import Create

from autoencoder_hpo import claims
from autoencoder_hpo.claims import Claimed, Nothing, claim, hand_back, is_mine, kept_alive, reap
from autoencoder_hpo.ledger import OpenStudy, clear_stop, count, open_study
from autoencoder_hpo.search import CELL, with_search
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage import open_storage

GRID = {
    "search": {"sampler": {"kind": "grid"}, "trials": None},
    "trial": {
        "batch_size": [32, 64],
        "optimizer": {"kind": "adam", "learning_rate": [1e-3, 3e-3, 1e-2]},
        "model": {"kind": "mlp", "depth": 1, "width": [8, 16], "latent": 8},
    },
}


def finish(opened: OpenStudy, claimed: Claimed, value: float = 1.0) -> None:
    opened.optuna.tell(claimed.trial, value)


def fail(opened: OpenStudy, claimed: Claimed, reason: str = "broken") -> None:
    claimed.trial.set_user_attr("reason", reason)
    opened.optuna.tell(claimed.trial, state=TrialState.FAIL)


def take(opened: OpenStudy, worker: str = "a") -> Claimed:
    claimed = claim(opened, worker)
    assert isinstance(claimed, Claimed), claimed
    return claimed


def test_the_budget_is_exact_for_eight_workers(
    create: Create, database: str, settings: Settings
) -> None:
    """R2: stock Optuna gives 15 of 12 with four."""
    create(search={"trials": 12})

    def work(worker: int) -> list[int]:
        storage = open_storage(database, settings)
        opened = with_search(open_study(storage, "tiny"))
        done = []
        while True:
            match claim(opened, str(worker)):
                case Nothing(why="wait"):
                    time.sleep(0.02)
                case Nothing():
                    storage.engine.dispose()
                    return done
                case Claimed() as claimed:
                    done.append(claimed.trial.number)
                    finish(opened, claimed)

    with ThreadPoolExecutor(8) as workers:
        done = [number for numbers in workers.map(work, range(8)) for number in numbers]
    assert sorted(done) == list(range(12))


def test_failed_trials_do_not_count_and_pruned_ones_do(create: Create) -> None:
    opened = create(search={"trials": 2})
    fail(opened, take(opened))
    opened.optuna.tell(take(opened).trial, state=TrialState.PRUNED)
    assert claim(opened, "a") != Nothing("budget")  # this one is running now
    assert claim(opened, "b") == Nothing("wait")
    counts = count(opened.trials())
    assert (counts.failed, counts.pruned, counts.running) == (1, 1, 1)


def test_a_trial_handed_back_is_taken_again_with_its_number_and_parameters(create: Create) -> None:
    opened = create(search={"trials": 1})
    first = take(opened)
    width = first.trial.suggest_int("model.mlp.width", 8, 32)
    hand_back(opened, first.trial._trial_id)
    again = take(opened, "b")
    assert again.trial.number == first.trial.number
    assert again.trial.suggest_int("model.mlp.width", 8, 32) == width
    assert not is_mine(opened, first.trial, "a")
    assert is_mine(opened, again.trial, "b")


def test_a_grid_gives_each_cell_once_and_a_failed_cell_again(create: Create) -> None:
    """R11."""
    opened = create(**GRID)
    fail(opened, take(opened))
    taken = []
    while isinstance(claimed := claim(opened, "a"), Claimed):
        taken.append(claimed.trial.user_attrs[CELL])
        finish(opened, claimed)
    assert sorted(taken) == list(range(12))
    assert claimed == Nothing("budget")


def test_ten_failures_in_a_row_stop_the_study_until_it_is_resumed(create: Create) -> None:
    opened = create(search={"trials": 5})
    for number in range(9):
        fail(opened, take(opened), f"cause {number}")
    finish(opened, take(opened))  # the row begins anew
    for number in range(10):
        fail(opened, take(opened), f"cause {number}")
    stopped = claim(opened, "a")
    assert stopped == Nothing("stopped", "10 trials in a row failed, the last one with: cause 9")
    assert claim(opened, "b") == stopped
    clear_stop(opened)
    assert isinstance(claim(opened, "a"), Claimed)


def test_the_timeout_is_one_deadline_for_all(create: Create) -> None:
    opened = create(search={"trials": None, "timeout": 1.0})
    first = take(opened)
    assert first.seconds_left is not None
    assert 0 < first.seconds_left <= 1
    time.sleep(1.1)
    assert claim(opened, "b") == Nothing("timeout")


def silence(opened: OpenStudy, claimed: Claimed) -> None:
    """As if the worker had died a while ago."""
    with opened.storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                "update trial_heartbeats set heartbeat = heartbeat - interval '1 hour' "
                f"where trial_id = {claimed.trial._trial_id}"
            )
        )


def test_a_silent_trial_is_handed_to_the_next_worker(create: Create) -> None:
    opened = create(search={"trials": 1})
    dead = take(opened)
    assert claim(opened, "b") == Nothing("wait")
    silence(opened, dead)
    assert take(opened, "b").trial.number == dead.trial.number


def test_a_worker_killed_before_its_first_beat_is_noticed(
    create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4: stock Optuna never reaps a trial that never sent a beat."""
    opened = create(search={"trials": 1})
    dead = take(opened)
    with opened.storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text("delete from trial_heartbeats"))
    assert reap(opened) == []  # seen now for the first time
    silence(opened, dead)
    assert reap(opened) == [0]


def test_a_trial_kept_alive_is_not_reaped(create: Create, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.1)
    opened = create(search={"trials": 1})
    claimed = take(opened)
    with kept_alive(opened, claimed.trial):
        silence(opened, claimed)
        time.sleep(0.5)
        assert reap(opened) == []
    assert "heartbeat" not in Counter(thread.name for thread in threading.enumerate())


def test_a_trial_that_always_loses_its_worker_fails_with_the_reason(create: Create) -> None:
    opened = create(search={"trials": 1})
    for _ in range(claims.MOST_LOSSES + 1):
        silence(opened, take(opened))
        reap(opened)
    trial = opened.trials()[0]
    assert trial.state is TrialState.FAIL
    assert "lost 4 times without finishing an epoch" in trial.user_attrs["reason"]


def test_losses_with_progress_do_not_count(create: Create) -> None:
    opened = create(search={"trials": 1})
    for epoch in range(1, claims.MOST_LOSSES + 3):
        lost = take(opened)
        lost.trial.report(1.0, epoch)
        silence(opened, lost)
        reap(opened)
    assert opened.trials()[0].state is TrialState.WAITING
