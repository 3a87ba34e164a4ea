"""Exact budgets, trials handed back and taken from the dead, whatever the number of workers."""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

import optuna
import pytest
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState
from support import Create, until

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.claiming import Claimed, NoTrial, claim
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.leases import (
    Ownership,
    beat,
    begin,
    finish,
    ownership,
    release,
)
from autoencoder_hpo.storage.records import CELL, CONFIG, Cause, StoredTrial, TrialRecord
from autoencoder_hpo.storage.samplers import with_search
from autoencoder_hpo.storage.stalled import MOST_LOSSES, requeue_stalled
from autoencoder_hpo.storage.study import (
    StudyHandle,
    clear_halt,
    count,
    delete_study,
    halt_study,
    open_study,
)
from autoencoder_hpo.storage.study_records import Halt
from autoencoder_hpo.worker import heartbeat
from autoencoder_hpo.worker.heartbeat import Heartbeat

GRID = {
    "search": {"sampler": {"kind": "grid"}, "trials": None},
    "trial": {
        "batch_size": [32, 64],
        "optimizer": {"kind": "adam", "learning_rate": [1e-3, 3e-3, 1e-2]},
        "model": {"kind": "mlp", "depth": 1, "width": [8, 16], "latent": 8},
    },
}


def end(
    opened: StudyHandle, claimed: Claimed, state: TrialState, worker: str = "a", **told: str
) -> Ownership:
    value = 1.0 if state is TrialState.COMPLETE else None
    number = claimed.trial_id
    return finish(
        opened, number, worker, state, value, epochs={}, record=TrialRecord(**told), system={}
    )


def complete(opened: StudyHandle, claimed: Claimed, worker: str = "a") -> Ownership:
    return end(opened, claimed, TrialState.COMPLETE, worker)


def fail(opened: StudyHandle, claimed: Claimed, reason: str = "broken") -> None:
    end(opened, claimed, TrialState.FAIL, reason=reason)


def stored(opened: StudyHandle, claimed: Claimed) -> FrozenTrial:
    return opened.storage.rdb.get_trial(claimed.trial_id)


def suggest(opened: StudyHandle, claimed: Claimed) -> int:
    opened.trials()  # Optuna's cache learns of the trial
    return optuna.Trial(opened.optuna, claimed.trial_id).suggest_int("model.mlp.width", 8, 32)


def take(opened: StudyHandle, worker: str = "a") -> Claimed:
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
                case NoTrial(why="wait"):
                    time.sleep(0.02)
                case NoTrial():
                    storage.engine.dispose()
                    return done
                case Claimed() as claimed:
                    done.append(claimed.number)
                    complete(opened, claimed, str(worker))

    with ThreadPoolExecutor(8) as workers:
        done = [number for numbers in workers.map(work, range(8)) for number in numbers]
    assert sorted(done) == list(range(12))


def test_failed_trials_do_not_count_and_pruned_ones_do(create: Create) -> None:
    opened = create(search={"trials": 2})
    fail(opened, take(opened))
    end(opened, take(opened), TrialState.PRUNED)
    assert claim(opened, "a") != NoTrial("budget")  # this one is running now
    assert claim(opened, "b") == NoTrial("wait")
    counts = count(opened.trials())
    assert (counts.failed, counts.pruned, counts.running) == (1, 1, 1)


def test_a_trial_handed_back_is_taken_again_with_its_number_and_parameters(create: Create) -> None:
    opened = create(search={"trials": 1})
    first = take(opened)
    width = suggest(opened, first)
    opened.storage.write_attrs("trial_user", first.trial_id, {CONFIG: {}, "val_psnr": 1.0})
    opened.storage.write_attrs("trial_system", first.trial_id, {"constraints:trainable": 1.0})
    release(opened, first.trial_id, "a")
    again = take(opened, "b")
    assert again.number == first.number
    assert suggest(opened, again) == width
    assert ownership(opened.storage, first.trial_id, "a").owner == "other"
    assert ownership(opened.storage, again.trial_id, "b").owner == "mine"
    # R9: what the earlier attempt came to is not carried over.
    assert "val_psnr" not in stored(opened, again).user_attrs
    assert stored(opened, again).constraints == {}


def test_a_trial_that_was_not_drawn_to_the_end_is_drawn_anew(create: Create) -> None:
    """R13: what is drawn first decides what is drawn next."""
    opened = create(search={"trials": 1})
    first = take(opened)
    width = suggest(opened, first)
    release(opened, first.trial_id, "a")
    assert stored(opened, first).params == {}
    assert suggest(opened, take(opened)) == width


def test_a_grid_gives_each_cell_once_and_a_failed_cell_again(create: Create) -> None:
    """R11."""
    opened = create(**GRID)
    fail(opened, take(opened))
    taken = []
    while isinstance(claimed := claim(opened, "a"), Claimed):
        taken.append(stored(opened, claimed).user_attrs[CELL])
        complete(opened, claimed)
    assert sorted(taken) == list(range(12))
    assert claimed == NoTrial("budget")


def test_ten_failures_in_a_row_stop_the_study_until_it_is_resumed(create: Create) -> None:
    opened = create(search={"trials": 5})
    for number in range(9):
        fail(opened, take(opened), f"cause {number}")
    complete(opened, take(opened))  # the row begins anew
    for number in range(10):
        fail(opened, take(opened), f"cause {number}")
    stopped = claim(opened, "a")
    assert stopped == NoTrial("stopped", "10 trials in a row failed, the last one with: cause 9")
    assert claim(opened, "b") == stopped
    clear_halt(opened)
    assert isinstance(claim(opened, "a"), Claimed)


def test_the_timeout_is_one_deadline_for_all(create: Create) -> None:
    opened = create(search={"trials": None, "timeout": 1.0})
    first = take(opened)
    assert first.seconds_left is not None
    assert 0 < first.seconds_left <= 1
    time.sleep(1.1)
    assert claim(opened, "b") == NoTrial("timeout")


def silence(opened: StudyHandle, claimed: Claimed) -> None:
    """As if the worker had died a while ago."""
    with opened.storage.engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                "update trial_heartbeats set heartbeat = heartbeat - interval '1 hour' "
                f"where trial_id = {claimed.trial_id}"
            )
        )


def test_a_silent_trial_is_handed_to_the_next_worker(create: Create) -> None:
    opened = create(search={"trials": 1})
    dead = take(opened)
    assert claim(opened, "b") == NoTrial("wait")
    silence(opened, dead)
    assert take(opened, "b").number == dead.number


def test_a_worker_killed_before_its_first_beat_is_noticed(create: Create) -> None:
    """R4: stock Optuna never reaps a trial that never sent a beat."""
    opened = create(search={"trials": 1})
    dead = take(opened)
    with opened.storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text("delete from trial_heartbeats"))
    assert requeue_stalled(opened) == []  # seen now for the first time
    silence(opened, dead)
    assert requeue_stalled(opened) == [0]


def test_a_trial_kept_alive_is_not_reaped(create: Create) -> None:
    opened = create(search={"trials": 1})
    claimed = take(opened)
    beating = Heartbeat(opened, claimed.trial_id, "a")
    beating.beat_s = 0.1
    with beating:
        silence(opened, claimed)
        time.sleep(0.5)
        assert requeue_stalled(opened) == []


def test_a_pause_between_reports_does_not_silence_a_trial(
    create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "MOST_OFTEN_S", 3600.0)
    opened = create(search={"trials": 1})
    claimed = take(opened)
    beating = Heartbeat(opened, claimed.trial_id, "a")
    beating.beat_s = 0.1
    with beating:
        beating.epoch(1, 1.0, 20.0)
        until(lambda: bool(stored(opened, claimed).intermediate_values))
        silence(opened, claimed)
        time.sleep(0.5)
        assert requeue_stalled(opened) == []


def test_a_slow_database_rests_between_two_beats(
    create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that take longer than the time between two beats do not follow each other at once."""
    beat_s, asked, answered = 0.1, [], []

    def slowly(*_: object) -> Ownership:
        asked.append(time.monotonic())
        time.sleep(2 * beat_s)
        answered.append(time.monotonic())
        return Ownership("mine", "RUNNING")

    monkeypatch.setattr(heartbeat, "beat", slowly)
    opened = create(search={"trials": 1})
    beating = Heartbeat(opened, take(opened).trial_id, "a")
    beating.beat_s = beat_s
    with beating:
        until(lambda: len(answered) >= 4)
    rests = [after - before for before, after in zip(answered, asked[1:], strict=False)]
    assert min(rests[:3]) >= 0.9 * beat_s


def test_a_trial_that_always_loses_its_worker_fails_with_the_reason(create: Create) -> None:
    opened = create(search={"trials": 1})
    for _ in range(MOST_LOSSES + 1):
        silence(opened, take(opened))
        requeue_stalled(opened)
    trial = opened.trials()[0]
    assert trial.state is TrialState.FAIL
    assert "lost 4 times without finishing an epoch" in trial.user_attrs["reason"]
    assert StoredTrial.of(trial).cause is Cause.LOST_WORKER


def test_losses_with_progress_do_not_count(create: Create) -> None:
    opened = create(search={"trials": 1})
    for epoch in range(1, MOST_LOSSES + 3):
        lost = take(opened)
        beat(opened, lost.trial_id, "a", {epoch: 1.0}, None)
        silence(opened, lost)
        requeue_stalled(opened)
    assert opened.trials()[0].state is TrialState.WAITING


def test_what_was_reported_past_the_checkpoint_is_forgotten(create: Create) -> None:
    """A worker that could not save, for a full disk, was lost after it had reported on."""
    opened = create(search={"trials": 1})
    lost = take(opened)
    beat(opened, lost.trial_id, "a", {epoch: 1.0 / epoch for epoch in range(1, 7)}, None)
    silence(opened, lost)
    again = take(opened, "b")
    assert not begin(
        opened, again.trial_id, "a", TrialRecord(), reached=0
    )  # it is not its trial any more
    assert begin(opened, again.trial_id, "b", TrialRecord(), reached=4)
    assert sorted(opened.trials()[0].intermediate_values) == [1, 2, 3, 4]


def test_a_slower_worker_settles_nothing(create: Create) -> None:
    """R5: one result, never two; the same settled twice is ours still (an answer was lost)."""
    opened = create(search={"trials": 1})
    slow = take(opened)
    silence(opened, slow)
    fast = take(opened, "b")
    assert complete(opened, slow).owner == "other"
    assert stored(opened, slow).state is TrialState.RUNNING
    assert beat(opened, slow.trial_id, "a", {1: 1.0}, None).owner == "other"
    assert stored(opened, slow).intermediate_values == {}
    assert complete(opened, fast, "b") == Ownership("mine", "RUNNING")
    assert complete(opened, fast, "b") == Ownership("mine", "COMPLETE")


def test_a_report_is_told_how_many_trials_are_complete(create: Create) -> None:
    """That is all that a median pruner has to know before it reads them."""
    opened = create(search={"trials": 5})
    running = take(opened)
    counts = []
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE):
        end(opened, take(opened), state)
        counts.append(beat(opened, running.trial_id, "a", {}, None).complete)
    assert counts == [1, 1, 2]


@pytest.mark.parametrize("kind", ["paused", "stopped"])
def test_a_halt_reaches_workers_and_keeps_trials_from_being_taken(
    create: Create, kind: str
) -> None:
    opened = create()
    running = take(opened)
    halt = Halt(kind, "lunch")  # type: ignore[arg-type]
    halt_study(opened, halt)
    assert claim(opened, "b") == NoTrial(kind, "lunch")  # type: ignore[arg-type]
    assert beat(opened, running.trial_id, "a", {}, None).halt == halt
    clear_halt(opened)
    assert beat(opened, running.trial_id, "a", {}, None).halt is None
    assert isinstance(claim(opened, "b"), Claimed)


def test_a_deleted_study_is_said(create: Create) -> None:
    """R20."""
    opened = create()
    running = take(opened)
    optuna.delete_study(study_name="tiny", storage=opened.storage.optuna)
    assert beat(opened, running.trial_id, "a", {}, None).owner == "gone"
    with pytest.raises(StudyError, match="study tiny: it was deleted"):
        claim(opened, "a")


def test_a_study_is_deleted_though_a_trial_tells_something_meanwhile(create: Create) -> None:
    """Optuna's deletion, which has looked by then, would leave everything and say nothing."""
    opened = create()
    running = take(opened)
    told: list[Future[Ownership]] = []

    def tell() -> Ownership:
        return beat(opened, running.trial_id, "a", {1: 0.5}, 3.0)

    with ThreadPoolExecutor() as pool:

        @sqlalchemy.event.listens_for(opened.storage.engine, "before_cursor_execute")
        def between(conn: object, cursor: object, statement: str, *rest: object) -> None:
            if statement.upper().startswith("DELETE") and not told:
                told.append(pool.submit(tell))
                wait(told, timeout=1)

        delete_study(opened.storage, "tiny")
    assert [each.result().owner for each in told] == ["gone"]
    with pytest.raises(StudyError, match="study tiny"):
        open_study(opened.storage, "tiny")


def test_nobody_is_reaped_right_after_an_outage(create: Create) -> None:
    """What was silent had no one to talk to."""
    opened = create(search={"trials": 1})
    silence(opened, take(opened))
    opened.storage.outages.saw()
    assert requeue_stalled(opened) == []
    opened.storage.outages._last = None
    assert requeue_stalled(opened) == [0]
