"""What happens to stock Optuna with several workers, and what happens here (R1 to R21).

Each test lets a fault happen to us. `pytest --stock tests/faults/test_optuna_traps.py` lets the
same happen to stock Optuna instead, and the tests fail: that is what they are for. docs/promises.md
says which trap is which, and which cannot be fallen into here.
"""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from own_server import Server
from support import Cli, Create, inputs_of, merged, until

from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.database import Storage, open_storage
from autoencoder_hpo.storage.leases import finish
from autoencoder_hpo.storage.records import TrialRecord
from autoencoder_hpo.storage.stalled import requeue_stalled
from autoencoder_hpo.storage.study import StudyHandle, open_study
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial

STOCK = Path(__file__).parent / "stock_optuna.py"
SLOW: dict[str, Any] = {  # about three seconds a trial, in epochs of a tenth
    "task": {"epochs": 30, "data": {"dataset": "digits", "train": 1400}},
    "trial": {
        "batch_size": 16,
        "model": {"kind": "unet", "depth": 1, "channels": {"int": [8, 12]}},
    },
    "search": {"trials": 2},
}
ENDLESS = merged(SLOW, {"task": {"epochs": 100_000}})
MakeCli = Callable[..., Cli]


def stock_worker(kind: str, url: str, seed: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, str(STOCK), kind, url, str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stock_study(url: str) -> optuna.Study:
    return optuna.load_study(study_name="stock", storage=url)


def trials_of(url: str, settings: Settings, stock: bool) -> list[optuna.trial.FrozenTrial]:
    storage = open_storage(url, settings)
    try:
        if stock:
            study = optuna.load_study(study_name="stock", storage=storage.optuna)
            return study.get_trials(deepcopy=False)
        return open_study(storage, "tiny").trials()
    finally:
        storage.release_connections()


def runs(url: str, settings: Settings, stock: bool) -> bool:
    """Whether a trial has reported something."""
    try:
        found = trials_of(url, settings, stock)
    except Exception:
        return False  # the study is being created
    return any(t.state is TrialState.RUNNING and t.last_step for t in found)


def started(cli: Cli, url: str, stock: bool, kind: str, **changes: Any) -> subprocess.Popen[str]:
    """A worker on a study that it or the command line has created."""
    if stock:
        return stock_worker(kind, url)
    cli("create", cli.write(**changes))
    return cli.start("worker", "tiny", "--device", "cpu", "--threads", "1")


# ---- several workers --------------------------------------------------------------------


def test_r1_six_open_an_empty_database_at_once(cli: Cli, database: str, stock: bool) -> None:
    if stock:
        six = [stock_worker("open_only", database) for _ in range(6)]
    else:
        six = [cli.start("list") for _ in range(6)]
    ended = [(p.communicate(timeout=120)[1], p.returncode) for p in six]
    assert [code for _, code in ended] == [0] * 6, ended


def test_r2_four_workers_keep_to_a_budget_of_twelve(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    if stock:
        for worker in [stock_worker("budget", database) for _ in range(4)]:
            worker.communicate(timeout=120)
    else:
        cli("create", cli.write(task={"epochs": 1}, search={"trials": 12}))
        cli.work("tiny", 4)
    assert len(trials_of(database, settings, stock)) == 12


def test_r3_sigterm_leaves_no_trial_behind(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    worker = started(cli, database, stock, "endless", **ENDLESS)
    until(lambda: runs(database, settings, stock))
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=10)
    assert worker.returncode == 0
    assert [t.state for t in trials_of(database, settings, stock)] == [TrialState.WAITING]


def age_beats(storage: Storage) -> None:
    storage.rows("update trial_heartbeats set heartbeat = heartbeat - interval '1 hour'")


def test_r4_a_worker_killed_before_its_first_beat_is_noticed(
    create: Create, database: str, stock: bool
) -> None:
    if stock:
        storage = RDBStorage(database, heartbeat_interval=1, grace_period=2)
        study = optuna.create_study(storage=storage)
        study._storage.create_new_trial(study._study_id)  # killed right after
        time.sleep(3)
        optuna.storages.fail_stale_trials(study)
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
    else:
        opened = create(search={"trials": 1})
        assert isinstance(claim(opened, "killed"), Claimed)
        opened.storage.rows("delete from trial_heartbeats")
        requeue_stalled(opened)
        age_beats(opened.storage)
        requeue_stalled(opened)
        states = [trial.state for trial in opened.trials()]
    assert TrialState.RUNNING not in states


def test_r4_a_session_in_another_time_zone_takes_nobody_for_dead(
    create: Create, database: str, stock: bool
) -> None:
    tokyo = sqlalchemy.create_engine(database, isolation_level="AUTOCOMMIT")
    with tokyo.connect() as connection:
        name = connection.execute(sqlalchemy.text("select current_database()")).scalar_one()
        zone = f"alter database {name} set timezone to 'Asia/Tokyo'"
        if stock:
            storage = RDBStorage(database, heartbeat_interval=10, grace_period=60)
            study = optuna.create_study(storage=storage)
            number = study._storage.create_new_trial(study._study_id)
            storage.record_heartbeat(number)
            connection.execute(sqlalchemy.text(zone))
            other = RDBStorage(database, heartbeat_interval=10, grace_period=60)
            optuna.storages.fail_stale_trials(
                optuna.load_study(study_name=study.study_name, storage=other)
            )
            state = storage.get_trial(number).state
        else:
            opened = create(search={"trials": 1})
            assert isinstance(claim(opened, "alive"), Claimed)
            connection.execute(sqlalchemy.text(zone))
            opened.storage.engine.dispose()
            requeue_stalled(opened)
            state = opened.trials()[0].state
    tokyo.dispose()
    assert state is TrialState.RUNNING


def test_r5_a_worker_whose_trial_was_taken_goes_on_with_the_next(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    worker = started(cli, database, stock, "stepping", **SLOW)
    until(lambda: runs(database, settings, stock))
    storage = open_storage(database, settings)
    if stock:
        storage.rdb.set_trial_state_values(1, TrialState.FAIL)
    else:  # as another worker would, after a grace period of silence
        opened = open_study(storage, "tiny")
        storage.rows("update trial_user_attributes set value_json = '\"b\"' where key = 'worker'")
        assert finish(
            opened, opened.trials()[0]._trial_id, "b", TrialState.PRUNED, None,
            epochs={}, record=TrialRecord(reason="taken"), system={},
        ).owner == "mine"  # fmt: skip
    storage.engine.dispose()
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    states = [trial.state for trial in trials_of(database, settings, stock)]
    assert states[1] is TrialState.COMPLETE
    assert len(states) == 2


# ---- the database goes away -------------------------------------------------------------


def test_r6_a_dropped_connection_costs_nothing(
    private: Server, make_cli: MakeCli, settings: Settings, stock: bool
) -> None:
    worker = started(make_cli(private.url), private.url, stock, "stepping", **SLOW)
    until(lambda: runs(private.url, settings, stock))
    for _ in range(20):
        private.cut_connections()
        time.sleep(0.1)
    _, err = worker.communicate(timeout=90)
    assert worker.returncode == 0, err
    states = [trial.state for trial in trials_of(private.url, settings, stock)]
    assert states == [TrialState.COMPLETE] * 2


def test_r7_a_result_told_while_the_database_is_away_is_kept(
    private: Server, make_cli: MakeCli, settings: Settings, stock: bool
) -> None:
    worker = started(make_cli(private.url), private.url, stock, "stepping", **SLOW)
    until(lambda: runs(private.url, settings, stock))
    private.stop()
    time.sleep(8)  # the trial ends meanwhile
    private.start()
    _, err = worker.communicate(timeout=120)
    assert worker.returncode == 0, err
    states = [trial.state for trial in trials_of(private.url, settings, stock)]
    assert states == [TrialState.COMPLETE] * 2


# ---- trials that fail -------------------------------------------------------------------


def test_r8_samplers_learn_where_trials_fail(create: Create, stock: bool) -> None:
    """Half of the range fails. Whoever learns it proposes that half more and more rarely."""
    opened = create(
        search={"sampler": {"kind": "tpe", "startup_trials": 10}, "trials": None, "timeout": 600},
        trial={"optimizer": {"kind": "adam", "learning_rate": {"float": [1e-4, 1.0]}}},
    )
    name, wide = "optimizer.adam.learning_rate", FloatDistribution(1e-4, 1.0)
    for number in range(40):
        rate = (number + 0.5) / 40
        fails = rate > 0.5
        lesson = {"constraints:trainable": 1.0} if fails and not stock else {}
        opened.optuna.add_trial(
            create_trial(
                state=TrialState.FAIL if fails else TrialState.COMPLETE,
                value=None if fails else 1 - rate,  # the better, the nearer to what fails
                params={name: rate},
                distributions={name: wide},
                system_attrs=lesson,
            )
        )
    rates = [opened.optuna.ask({name: wide}).params[name] for _ in range(20)]
    assert sum(rate > 0.55 for rate in rates) <= 5, rates


def test_r9_a_trial_that_is_tried_again_carries_only_what_it_is(
    create: Create, database: str, stock: bool
) -> None:
    if stock:
        again = optuna.storages.RetryHeartbeatStaleTrialCallback()
        storage = RDBStorage(
            database, heartbeat_interval=1, grace_period=2, heartbeat_stale_trial_callback=again
        )
        study = optuna.create_study(storage=storage)
        number = study._storage.create_new_trial(study._study_id)
        storage.set_trial_user_attr(number, "val_psnr", 20.0)
        storage.set_trial_system_attr(number, "constraints:trainable", 1.0)
        storage.record_heartbeat(number)
        time.sleep(3)
        optuna.storages.fail_stale_trials(study)
        retried = study.get_trials(deepcopy=False)[-1]
    else:
        opened = create(search={"trials": 1})
        claimed = claim(opened, "a")
        assert isinstance(claimed, Claimed)
        opened.storage.write_attrs("trial_user", claimed.trial_id, {"val_psnr": 20.0})
        opened.storage.write_attrs("trial_system", claimed.trial_id, {"constraints:trainable": 1.0})
        age_beats(opened.storage)
        requeue_stalled(opened)
        retried = opened.trials()[0]
    assert retried.state is TrialState.WAITING
    assert "val_psnr" not in retried.user_attrs
    assert retried.constraints == {}


def test_r10_a_killed_trial_goes_on_from_its_last_epoch(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    cli.environment["AUTOENCODER_HPO_GRACE"] = "3"
    worker = started(cli, database, stock, "endless", **ENDLESS)
    until(lambda: runs(database, settings, stock))
    until(lambda: (trials_of(database, settings, stock)[0].last_step or 0) > 3)
    worker.kill()
    worker.communicate()
    reached = trials_of(database, settings, stock)[0].last_step or 0
    storage = open_storage(database, settings)
    age_beats(storage)
    storage.engine.dispose()
    again = stock_worker("endless", database) if stock else None
    if again is None:
        again = cli.start("worker", "tiny", "--device", "cpu", "--threads", "1")

    def gone_on() -> bool:
        trials = trials_of(database, settings, stock)
        return len(trials) == 1 and (trials[0].last_step or 0) > reached

    try:
        until(gone_on, 20)
        assert "checkpoint" not in again.args  # type: ignore[operator]
    finally:
        again.kill()
        again.communicate()


# ---- sampling ---------------------------------------------------------------------------


def test_r11_four_workers_visit_each_cell_of_a_grid_once(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    if stock:
        for worker in [stock_worker("grid", database, 1) for _ in range(4)]:
            worker.communicate(timeout=120)
    else:
        cells = {"optimizer": {"kind": "adam", "learning_rate": [1e-3, 3e-3, 1e-2]}}
        cells |= {"batch_size": [64, 128], "model": {"kind": "mlp", "width": [8, 16]}}
        path = cli.write(
            task={"epochs": 1}, search={"sampler": {"kind": "grid"}, "trials": None}, trial=cells
        )
        cli("create", path)
        cli.work("tiny", 4)
    found = Counter(str(trial.params) for trial in trials_of(database, settings, stock))
    assert (len(found), set(found.values())) == (12, {1})


def test_r12_workers_with_one_seed_try_different_points(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    if stock:
        for worker in [stock_worker("seeded", database, 7) for _ in range(4)]:
            worker.communicate(timeout=120)
    else:
        search = {"sampler": {"kind": "tpe"}, "trials": 16, "seed": 7}
        cli("create", cli.write(task={"epochs": 1}, search=search))
        cli.work("tiny", 4)
    found = {str(trial.params) for trial in trials_of(database, settings, stock)}
    assert len(found) == 16


def draw(opened: StudyHandle, worker: str) -> dict[str, Any]:
    claimed = claim(opened, worker)
    assert isinstance(claimed, Claimed)
    opened.trials()
    trial = optuna.Trial(opened.optuna, claimed.trial_id)
    trial.suggest_int("model.mlp.width", 8, 32)
    trial.suggest_float("optimizer.adam.learning_rate", 1e-3, 1e-2, log=True)
    return trial.params


def test_r13_the_points_do_not_depend_on_who_asks(
    create: Create, database: str, settings: Settings, stock: bool
) -> None:
    """One worker draws eight points; then two take turns at the same study."""

    def sampled(workers: int) -> list[dict[str, Any]]:
        if stock:
            studies = [
                optuna.create_study(
                    study_name=f"of {workers}", storage=database, load_if_exists=True,
                    sampler=optuna.samplers.RandomSampler(seed=1),
                )
                for _ in range(workers)
            ]  # fmt: skip
            asked = [studies[n % workers].ask() for n in range(8)]
            return [{"x": trial.suggest_float("x", 0, 1)} for trial in asked]
        opened = create(name=f"of-{workers}", search={"trials": 8, "seed": 1})
        return [draw(opened, str(number % workers)) for number in range(8)]

    assert sampled(1) == sampled(2)


def test_r14_a_study_resumed_with_another_aim_is_refused(
    cli: Cli, database: str, stock: bool
) -> None:
    if stock:
        optuna.create_study(study_name="stock", storage=database, direction="minimize")
        with pytest.raises(Exception, match="direction"):
            optuna.create_study(
                study_name="stock", storage=database, direction="maximize", load_if_exists=True
            )
        return
    cli("create", cli.write(search={"objective": "val_mse"}))
    err = cli("run", cli.write(search={"objective": "val_psnr"}), code=1)
    assert "differs from the study tiny in the database: search.objective" in err


# ---- cost -------------------------------------------------------------------------------


def test_r15_a_trial_of_twenty_epochs_takes_few_statements(
    create: Create, context: WorkerContext, database: str, stock: bool
) -> None:
    """Stock: 253 for 8 parameters and 20 epochs; docs/speed.md has ours."""
    sent: list[str] = []

    def count(engine: sqlalchemy.Engine) -> None:
        @sqlalchemy.event.listens_for(engine, "before_cursor_execute")
        def note(connection, cursor, statement, parameters, context, many) -> None:  # type: ignore[no-untyped-def]
            sent.append(statement)

    if stock:
        study = optuna.create_study(storage=database, pruner=optuna.pruners.MedianPruner())
        count(study._storage._backend.engine)  # type: ignore[attr-defined]

        def objective(trial: optuna.Trial) -> float:
            for number in range(8):
                trial.suggest_float(str(number), 0, 1)
            for step in range(20):
                trial.report(1.0, step)
                trial.should_prune()
            return 1.0

        study.optimize(objective, n_trials=1)
    else:
        opened = create(
            task={"epochs": 20}, search={"trials": 1, "pruner": {"kind": "median"}}, trial=EIGHT
        )
        data = inputs_of(opened.file, context.settings).prepared
        count(opened.storage.engine)
        claimed = claim(opened, context.worker)
        assert isinstance(claimed, Claimed)
        run_trial(opened, claimed, data, context, cancelled=lambda: False)
        assert len(opened.trials()[0].params) == 8
    assert len(sent) <= 253 / 2


EIGHT: dict[str, Any] = {
    "optimizer": {
        "kind": "adam",
        "learning_rate": {"float": [1e-3, 1e-2]},
        "weight_decay": {"float": [1e-6, 1e-4]},
    },
    "batch_size": [32, 64],
    "standardize": [True, False],
    "model": {
        "kind": "mlp",
        "depth": {"int": [1, 2]},
        "width": {"int": [8, 32]},
        "latent": {"int": [8, 16]},
        "dropout": {"float": [0.0, 0.2]},
    },
}


def test_r17_a_worker_that_trains_has_no_connection(
    private: Server, make_cli: MakeCli, settings: Settings, stock: bool
) -> None:
    worker = started(make_cli(private.url), private.url, stock, "endless", **ENDLESS)
    until(lambda: runs(private.url, settings, stock))
    counter = sqlalchemy.create_engine(private.url)
    sql = sqlalchemy.text(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' "
        "and pid <> pg_backend_pid()"
    )
    seen = []
    with counter.connect() as connection:
        for _ in range(20):
            seen.append(int(connection.execute(sql).scalar_one()))
            connection.rollback()
            time.sleep(0.1)
    counter.dispose()
    worker.kill()
    worker.communicate()
    assert min(seen) == 0, seen
    assert max(seen) <= 2, seen


# ---- steering ---------------------------------------------------------------------------


def test_r19_one_person_stops_every_worker(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    first = started(cli, database, stock, "endless", **ENDLESS)
    if stock:
        second = stock_worker("endless", database)
    else:
        second = cli.start("worker", "tiny", "--device", "cpu", "--threads", "1")

    def both_run() -> bool:
        trials = trials_of(database, settings, stock) if runs(database, settings, stock) else []
        return sum(bool(trial.last_step) for trial in trials) == 2

    try:
        until(both_run)
        if stock:
            # As a callback would: the flag is of the process that sets it.
            study = stock_study(database)
            study._thread_local.in_optimize_loop = True
            study.stop()
        else:
            cli("stop", "tiny", "--reason", "lunch")
        said = [worker.communicate(timeout=15) for worker in (first, second)]
        assert [worker.returncode for worker in (first, second)] == [0, 0], said
        if not stock:
            assert all("the study was stopped: lunch" in out for out, _ in said)
    finally:
        for worker in (first, second):
            worker.kill()
            worker.communicate()


def test_r20_a_study_deleted_under_its_worker_is_said(
    cli: Cli, database: str, settings: Settings, stock: bool
) -> None:
    worker = started(cli, database, stock, "endless", **ENDLESS)
    until(lambda: runs(database, settings, stock))
    if stock:
        optuna.delete_study(study_name="stock", storage=database)
    else:
        cli("delete", "tiny", "--yes")
    out, err = worker.communicate(timeout=30)
    assert worker.returncode == 1
    assert "Traceback" not in err
    assert "study tiny: it was deleted while this worker trained its trial 0" in err, out


def test_r21_a_loss_that_is_not_finite_teaches(
    create: Create, context: WorkerContext, database: str, stock: bool
) -> None:
    if stock:
        study = optuna.create_study(storage=database)
        study.optimize(lambda trial: float("nan"), n_trials=1)
        (trial,) = study.get_trials(deepcopy=False)
    else:
        opened = create(
            trial={
                "optimizer": {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.9},
                "model": {
                    "kind": "mlp", "depth": 4, "width": 32, "taper": 1.0, "output": "linear",
                    "activation": "elu",
                },
            },
            task={"epochs": 20},
        )  # fmt: skip
        claimed = claim(opened, context.worker)
        assert isinstance(claimed, Claimed)
        data = inputs_of(opened.file, context.settings).prepared
        run_trial(opened, claimed, data, context, cancelled=lambda: False)
        trial = opened.trials()[0]
    assert trial.state is TrialState.PRUNED
    assert trial.constraints == {"trainable": 1.0}
    assert trial.user_attrs["cause"] == "not_finite"
