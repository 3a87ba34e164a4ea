"""The promises of docs/promises.md that need real processes: kills, budgets and outages."""

import base64
import json
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from own_server import Server
from support import Cli, merged, until

from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.study import open_study

MakeCli = Callable[..., Cli]
DROPPY: dict[str, Any] = {  # seconds a trial, with everything that is random in a training
    "task": {"epochs": 40, "data": {"dataset": "digits", "train": 1400}},
    "trial": {
        "batch_size": 16,
        "model": {"kind": "mlp", "width": {"int": [40, 60]}, "dropout": 0.2, "depth": 2},
    },
    "search": {"trials": 1},
}
GRACE_S = 3


def trials_of(url: str, settings: Settings, name: str = "tiny") -> list[FrozenTrial]:
    storage = open_storage(url, settings)
    try:
        return open_study(storage, name).trials()
    finally:
        storage.release_connections()


def worker(cli: Cli, name: str = "tiny") -> subprocess.Popen[str]:
    return cli.start("worker", name, "--device", "cpu", "--threads", "1")


def test_a_trial_killed_five_times_has_the_curve_of_one_that_was_not(
    cli: Cli, database: str, settings: Settings
) -> None:
    """Bit for bit, on the CPU, wherever it was killed."""
    cli.environment["AUTOENCODER_HPO_GRACE"] = str(GRACE_S)
    for name in ("whole", "killed"):
        cli("create", cli.write(name=name, **DROPPY))
    assert "nothing left to do" in cli("worker", "whole", "--device", "cpu", "--threads", "1")

    dice, reached = random.Random(5), 0
    for _ in range(5):
        process = worker(cli, "killed")

        def has_gone_on(reached: int = reached) -> bool:
            trials = trials_of(database, settings, "killed")
            return bool(trials) and (trials[0].last_step or 0) > reached

        until(has_gone_on)
        time.sleep(dice.uniform(0, 0.5))
        process.kill()
        process.communicate()
        reached = trials_of(database, settings, "killed")[0].last_step or 0
        assert reached < 40, "it was done before it could be killed"
    worker(cli, "killed").communicate(timeout=120)

    (whole,) = trials_of(database, settings, "whole")
    (killed,) = trials_of(database, settings, "killed")
    assert killed.state is TrialState.COMPLETE
    assert killed.user_attrs["losses"][0] >= 1
    assert killed.user_attrs["history"] == whole.user_attrs["history"]
    assert killed.intermediate_values == whole.intermediate_values
    assert killed.value == whole.value


def test_eight_workers_finish_a_budget_of_a_hundred_under_kills(
    cli: Cli, database: str, settings: Settings
) -> None:
    cli.environment["AUTOENCODER_HPO_GRACE"] = str(GRACE_S)
    cli.environment["OMP_NUM_THREADS"] = "1"
    cli("create", cli.write(task={"epochs": 3}, search={"trials": 100}))
    workers = [worker(cli) for _ in range(8)]
    dice, kills = random.Random(8), 0

    def finished() -> int:
        trials = trials_of(database, settings)
        return sum(trial.state.is_finished() for trial in trials)

    while finished() < 100:
        time.sleep(1)
        if kills < 6 and finished() > 12 * kills:
            victim = dice.choice(workers)
            victim.kill()
            victim.communicate()
            workers.remove(victim)
            workers.append(worker(cli))
            kills += 1
    for process in workers:
        process.communicate(timeout=120)
    trials = trials_of(database, settings)
    assert kills == 6
    assert [process.returncode for process in workers] == [0] * 8
    states = [trial.state for trial in trials]
    assert states == [TrialState.COMPLETE] * 100
    assert [trial.number for trial in trials] == list(range(100))


def test_a_minute_without_the_database_loses_none_of_three_results(
    private: Server, make_cli: MakeCli, settings: Settings
) -> None:
    """Three workers finish their trials while nobody can be told."""
    cli = make_cli(private.url, AUTOENCODER_HPO_GRACE=5)
    slow = merged(DROPPY, {"task": {"epochs": 60}, "search": {"trials": 4}})
    cli("create", cli.write(**slow))
    workers = [worker(cli) for _ in range(3)]

    def three_train() -> bool:
        trials = trials_of(private.url, settings)
        return sum(bool(trial.last_step) for trial in trials) == 3

    until(three_train)
    before = trials_of(private.url, settings)
    private.stop()
    time.sleep(60)
    private.start()
    said = [process.communicate(timeout=180) for process in workers]
    assert [process.returncode for process in workers] == [0] * 3, said
    trials = trials_of(private.url, settings)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    for trial in before:  # still the same attempt: nobody took it for dead
        now = trials[trial.number]
        assert now.user_attrs["worker"] == trial.user_attrs["worker"]
        assert "losses" not in now.user_attrs
        assert len(now.user_attrs["history"]) == 60
    assert all("does not answer; trying again until it does" in err for _, err in said)


def test_a_frozen_worker_leaves_its_trial_to_another(
    cli: Cli, database: str, settings: Settings
) -> None:
    """R5: longer than the grace period. One result, never two."""
    cli.environment["AUTOENCODER_HPO_GRACE"] = str(GRACE_S)
    cli("create", cli.write(**merged(DROPPY, {"task": {"epochs": 60}})))
    frozen = worker(cli)
    until(lambda: any(trial.last_step for trial in trials_of(database, settings)))
    frozen.send_signal(signal.SIGSTOP)
    other = worker(cli)
    first = trials_of(database, settings)[0].user_attrs["worker"]

    def taken_over() -> bool:
        return trials_of(database, settings)[0].user_attrs.get("worker", first) != first

    until(taken_over)
    frozen.send_signal(signal.SIGCONT)
    said = [process.communicate(timeout=300) for process in (frozen, other)]
    assert [frozen.returncode, other.returncode] == [0, 0], said
    assert "taken over by another worker; its result stands" in said[0][1]
    (trial,) = trials_of(database, settings)
    assert trial.state is TrialState.COMPLETE
    assert trial.user_attrs["worker"] != first
    assert not list((Path(cli.environment["AUTOENCODER_HPO_HOME"])).rglob("checkpoint.pt"))


@pytest.mark.parametrize("command", ["pause", "stop"])
def test_one_person_steers_workers_everywhere(
    cli: Cli, database: str, settings: Settings, command: str
) -> None:
    cli(
        "create",
        cli.write(**merged(DROPPY, {"task": {"epochs": 100_000}, "search": {"trials": 2}})),
    )
    workers = [worker(cli), worker(cli)]

    def training() -> bool:
        trials = trials_of(database, settings)
        return [t.state for t in trials] == [TrialState.RUNNING] * 2 and all(
            trial.last_step for trial in trials
        )

    until(training)
    reached = [trial.last_step or 0 for trial in trials_of(database, settings)]
    cli(command, "tiny")
    until(lambda: {t.state for t in trials_of(database, settings)} == {TrialState.WAITING}, 10)
    if command == "pause":
        time.sleep(2)
        assert [process.poll() for process in workers] == [None, None]
        cli("resume", "tiny", "--workers", "0")
        until(training)
        assert all(
            (trial.last_step or 0) >= step
            for trial, step in zip(trials_of(database, settings), reached, strict=True)
        )
        for process in workers:
            process.send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=15) for process in workers]
    assert [process.returncode for process in workers] == [0, 0], said


def test_a_polite_stop_while_the_database_is_away_takes_seconds(
    private: Server, make_cli: MakeCli, settings: Settings
) -> None:
    cli = make_cli(private.url)
    cli("create", cli.write(**merged(DROPPY, {"task": {"epochs": 100_000}})))
    process = worker(cli)
    until(lambda: any(trial.last_step for trial in trials_of(private.url, settings)))
    private.stop()
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert time.monotonic() - started < 10
    assert "Traceback" not in err
    assert "a trial stays claimed until the database answers; its checkpoint is kept" in err
    private.start()
    assert list(Path(cli.environment["AUTOENCODER_HPO_HOME"]).rglob("checkpoint.pt"))


def test_a_worker_waits_for_a_database_that_is_not_there_yet(
    private: Server, make_cli: MakeCli
) -> None:
    cli = make_cli(private.url)
    cli("create", cli.write(task={"epochs": 1}))
    private.stop()
    early, stopped = worker(cli), worker(cli)
    assert "does not answer yet" in early.stderr.readline()  # type: ignore[union-attr]
    assert "does not answer yet" in stopped.stderr.readline()  # type: ignore[union-attr]
    stopped.send_signal(signal.SIGTERM)
    out, err = stopped.communicate(timeout=10)
    assert (stopped.returncode, out) == (0, "stopped; the database does not answer\n"), err
    private.start()
    out, err = early.communicate(timeout=60)
    assert "nothing left to do: the budget is used up" in out, err


def test_the_dashboard_hands_lost_trials_back_when_no_worker_is_left(
    cli: Cli, database: str, settings: Settings
) -> None:
    cli.environment["AUTOENCODER_HPO_GRACE"] = str(GRACE_S)
    cli("create", cli.write(**merged(DROPPY, {"task": {"epochs": 100_000}})))
    process = worker(cli)
    until(lambda: any(trial.last_step for trial in trials_of(database, settings)))
    process.kill()
    process.communicate()
    dashboard = cli.start("dashboard", "--port", "0")
    until(lambda: trials_of(database, settings)[0].state is TrialState.WAITING)
    dashboard.send_signal(signal.SIGTERM)
    _, err = dashboard.communicate(timeout=20)
    assert "trial 0 had lost its worker, and waits" in err


def test_the_dashboard_says_that_the_database_is_away_and_comes_back(
    private: Server, make_cli: MakeCli
) -> None:
    cli = make_cli(private.url, AUTOENCODER_HPO_DASHBOARD_PASSWORD="a long password")
    cli("create", cli.write(**DROPPY))
    dashboard = cli.start("dashboard", "--port", "0")
    line = dashboard.stdout.readline()  # type: ignore[union-attr]
    address = line.split()[2].rstrip(",")

    def get(path: str) -> tuple[int, str]:
        pair = base64.b64encode(b"x:a long password").decode()
        request = urllib.request.Request(address + path, headers={"Authorization": f"Basic {pair}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    assert get("/api/studies")[0] == 200
    private.stop()
    assert get("/healthz")[0] == 503
    code, said = get("/api/studies/1")
    assert code == 503
    assert "the database does not answer" in said
    private.start()
    assert get("/api/studies")[0] == 200
    dashboard.send_signal(signal.SIGTERM)
    _, err = dashboard.communicate(timeout=20)
    assert dashboard.returncode == 0
    assert "Traceback" not in err


def test_a_short_chaos_breaks_no_promise(tmp_path: Path) -> None:
    """The long one is a command: tests/faults/chaos.py."""
    script = Path(__file__).parent / "chaos.py"
    command = [sys.executable, str(script), "--seed", "3", "--faults", "25", "--trials", "20"]
    done = subprocess.run([*command, "--check", "2"], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1]) == {"seed": 3, "broken": []}
