"""Real worker processes on a real PostgreSQL: budgets, stops, kills, and the same points."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from support import Cli, tracebacks, until

from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.study import StudyHandle, open_study

QUICK = {"task": {"epochs": 1}}
ARRAY = {"data": {"dataset": "array", "path": "a.npy", "train": 30, "validation": 10}}
LONG = {"task": {"epochs": 100_000}, "search": {"trials": 2}}


def status(cli: Cli, name: str = "tiny") -> dict[str, Any]:
    values: dict[str, Any] = json.loads(cli("status", name, "--json"))
    return values


def opened(storage: Storage, name: str = "tiny") -> StudyHandle:
    return open_study(storage, name)


def has_trained(storage: Storage, trials: int = 1, epochs: int = 2) -> bool:
    try:
        found = opened(storage).trials()
    except Exception:
        return False  # it is being created
    return sum((t.last_step or 0) >= epochs for t in found) >= trials


def test_three_workers_finish_the_budget_exactly_and_resume_raises_it(cli: Cli) -> None:
    """R2, with processes: 25 of 25, then 40 of 40."""
    path = cli.write(search={"trials": 25, "pruner": {"kind": "median"}}, **QUICK)
    out = cli("run", path, "--workers", "3")
    assert "25 of 25 trials" in out
    assert "best denoiser (trial" in out
    assert "25 of 40 trials" in cli("resume", "tiny", "--trials", "40", "--workers", "0")
    cli.work("tiny", 3)
    values = status(cli)
    counts = values["counts"]
    assert counts["complete"] + counts["pruned"] == 40
    assert counts["running"] == counts["waiting"] == 0
    assert values["state"] == "done"
    assert "40 of 40" in cli("run", path, "--workers", "3")  # nothing left to do


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_the_same_points_with_1_2_and_4_workers(cli: Cli, storage: Storage, sampler: str) -> None:
    """R12, R13."""
    found = []
    for workers in (1, 2, 4):
        search = {"sampler": {"kind": sampler}, "trials": 10, "seed": 0}
        name = f"{sampler}-{workers}"
        cli("create", cli.write(name=name, search=search, **QUICK))
        cli.work(name, workers)
        trials = opened(storage, name).trials()
        found.append([trial.params for trial in trials])
    assert found[0] == found[1] == found[2]
    assert len({str(params) for params in found[0]}) == 10


def test_four_workers_visit_each_cell_of_a_grid_once(cli: Cli, storage: Storage) -> None:
    """R11."""
    path = cli.write(
        search={"sampler": {"kind": "grid"}, "trials": None},
        trial={
            "batch_size": [64, 128],
            "optimizer": {"kind": "adam", "learning_rate": [1e-3, 3e-3, 1e-2]},
            "model": {"kind": "mlp", "depth": 1, "width": [8, 16], "latent": 8},
        },
        **QUICK,
    )
    cli("create", path)
    cli.work("tiny", 4)
    assert "12 of 12 trials" in cli("status", "tiny")
    cells = Counter(str(trial.params) for trial in opened(storage).trials())
    assert len(cells) == 12
    assert set(cells.values()) == {1}


def test_ctrl_c_hands_trials_back_and_the_same_command_goes_on(cli: Cli, storage: Storage) -> None:
    path = cli.write(**LONG)
    process = cli.start("run", path, "--workers", "2")
    until(lambda: has_trained(storage, trials=2))
    process.send_signal(signal.SIGINT)
    stopped = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - stopped < 10
    assert process.returncode == 0, err
    assert "stopped; `autoencoder-hpo resume tiny` goes on" in out
    trials = opened(storage).trials()
    assert [trial.state for trial in trials] == [TrialState.WAITING] * 2
    reached = [trial.last_step for trial in trials]

    again = cli.start("run", path, "--workers", "2")
    until(
        lambda: all(
            (t.last_step or 0) > n + 1
            for t, n in zip(opened(storage).trials(), reached, strict=True)
        )
    )  # type: ignore[operator]
    again.send_signal(signal.SIGTERM)  # as `docker stop` and systemd do
    again.communicate(timeout=30)
    assert again.returncode == 0
    assert [trial.number for trial in opened(storage).trials()] == [0, 1]


@pytest.mark.parametrize("moment", [0.2, 1.0, 2.0, 3.0, 4.0])
def test_ctrl_c_at_any_moment_leaves_a_study_that_goes_on(cli: Cli, moment: float) -> None:
    path = cli.write(search={"trials": 3}, **QUICK)
    process = cli.start("run", path, "--workers", "2", fresh=True)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    # Ended by the signal, where Python was inside a C extension's import: a shell reads 130 too.
    interrupted = (130, -signal.SIGINT)
    assert process.returncode in (0, *interrupted), (process.returncode, out, err)
    assert tracebacks(err) == []
    assert "3 of 3 trials" in cli("run", path, "--workers", "1")


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_second_ctrl_c_ends_all_at_once(cli: Cli, storage: Storage) -> None:
    process = cli.start("run", cli.write(**LONG), "--workers", "2")
    until(lambda: has_trained(storage, trials=2))
    workers = workers_of(process)
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # too busy to hand anything back
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert all(gone(worker) for worker in workers)


def test_workers_stop_when_their_parent_is_killed(cli: Cli, storage: Storage) -> None:
    process = cli.start("run", cli.write(**LONG), "--workers", "2")
    until(lambda: has_trained(storage, trials=2))
    workers = workers_of(process)
    process.kill()
    process.communicate()
    until(lambda: all(gone(worker) for worker in workers), seconds=20)
    assert {t.state for t in opened(storage).trials()} == {TrialState.WAITING}


def test_a_killed_worker_is_told_and_costs_only_its_epoch(cli: Cli, storage: Storage) -> None:
    """The trial waits out its grace period; here it is shortened by hand."""
    process = cli.start("run", cli.write(**LONG), "--workers", "1")
    until(lambda: has_trained(storage))
    os.kill(workers_of(process)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.search(r"error: a worker ended with code -9: .*\(see .*\.log\)", err), err
    trial = opened(storage).trials()[0]
    assert trial.state is TrialState.RUNNING  # until the next claim finds it silent


def test_one_worker_by_name_ends_when_nothing_is_left(cli: Cli) -> None:
    cli("create", cli.write(search={"trials": 2}, **QUICK))
    out = cli("worker", "tiny", "--device", "cpu", "--threads", "1")
    assert "nothing left to do: the budget is used up" in out
    assert out.count("complete") >= 2


def test_ten_failures_stop_the_study_with_the_reason(cli: Cli, storage: Storage) -> None:
    """Trials fail because the installed package is newer than it can be: made to by a bad weight."""
    path = cli.write(
        task={"data": {"dataset": "digits", "train": 1, "validation": 64}},
        trial={
            "model": {
                "kind": "mlp", "depth": 1, "width": {"int": [8, 32]}, "normalization": "batch",
            }
        },
        search={"trials": 50},
    )  # fmt: skip
    process = cli.start("run", path, "--workers", "2")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out
    assert "10 trials in a row failed, the last one with: ValueError" in err
    assert "mend the cause, then `autoencoder-hpo resume tiny`" in err
    counts = status(cli)["counts"]
    assert 10 <= counts["failed"] <= 12
    assert status(cli)["state"] == "stopped"


def test_workers_refuse_other_images_before_claiming(cli: Cli, storage: Storage) -> None:
    images = np.random.default_rng(0).random((60, 8, 8), np.float32)
    np.save(cli.folder / "a.npy", images)
    path = cli.write(task=ARRAY)
    cli("create", path)
    images[3, 2, 1] = 0.5
    np.save(cli.folder / "a.npy", images)
    assert "are not those that the study was created with" in cli("worker", "tiny", code=1)
    assert opened(storage).trials() == []


def test_data_may_live_elsewhere_on_another_machine(cli: Cli, tmp_path: Path) -> None:
    np.save(cli.folder / "a.npy", np.random.default_rng(0).random((60, 8, 8), np.float32))
    cli(
        "create",
        cli.write(
            search={"trials": 1},
            task={"epochs": 1, **ARRAY},
        ),
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (cli.folder / "a.npy").rename(elsewhere / "a.npy")
    assert "a.npy" in cli("worker", "tiny", code=1)
    cli("worker", "tiny", AUTOENCODER_HPO_DATA=str(elsewhere))
    assert status(cli)["state"] == "done"


def test_the_same_search_with_pruning_trains_fewer_epochs(cli: Cli, storage: Storage) -> None:
    """Random search, one worker, the same 20 trials: best PSNR within 0.1 dB."""
    epochs, best = {}, {}
    for pruner in ("none", "median"):
        path = cli.write(
            name=pruner,
            task={"epochs": 12},
            search={"pruner": {"kind": pruner}, "trials": 20, "sampler": {"kind": "random"}},
            trial={
                "optimizer": {
                    "kind": "adam",
                    "learning_rate": {"float": [1e-4, 1e-1], "log": True},
                }
            },
        )
        cli("create", path)
        cli.work(pruner, 1)
        trials = opened(storage, pruner).trials()
        epochs[pruner] = sum(trial.last_step or 0 for trial in trials)
        best[pruner] = status(cli, pruner)["best"]["val_psnr"]
    assert epochs["none"] == 240
    assert epochs["median"] < 0.8 * 240
    assert best["median"] == pytest.approx(best["none"], abs=0.1)


def test_a_worker_without_a_name_serves_every_study_and_waits_for_new_ones(
    cli: Cli, storage: Storage
) -> None:
    cli("create", cli.write(name="first", search={"trials": 2}, **QUICK))
    cli("create", cli.write(name="second", search={"trials": 2}, **QUICK))
    worker = cli.start("worker", "--device", "cpu", "--threads", "1")
    until(lambda: status(cli, "second")["state"] == "done")
    cli("create", cli.write(name="third", search={"trials": 2}, **QUICK))
    until(lambda: status(cli, "third")["state"] == "done")
    cli("resume", "first", "--trials", "3", "--workers", "0")
    until(lambda: status(cli, "first")["counts"]["complete"] == 3)
    until(lambda: opened(storage, "first").record().shown.finished == 3)
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=20)
    assert worker.returncode == 0, err
    lines = [line for line in out.splitlines() if "complete" in line]
    assert [line.split()[0] for line in lines] == [
        *["first"] * 2,
        *["second"] * 2,
        *["third"] * 2,
        "first",
    ]
    assert out.count("waiting for a study with trials to do") == 3


def test_a_study_that_cannot_be_worked_on_here_is_left_to_others(
    cli: Cli, storage: Storage
) -> None:
    cli("create", cli.write(name="moved", search={"trials": 2}, **QUICK))
    data = {**opened(storage, "moved").data.as_record(), "hash": "0" * 64}
    opened(storage, "moved").optuna.set_user_attr("data", data)
    cli("create", cli.write(name="fine", search={"trials": 1}, **QUICK))
    worker = cli.start("worker", "--device", "cpu", "--threads", "1")
    until(lambda: status(cli, "fine")["state"] == "done")
    time.sleep(3)  # some more looks at both
    worker.send_signal(signal.SIGTERM)
    out, _ = worker.communicate(timeout=20)
    assert out.count("left to other workers: study moved: the images here") == 1
    assert status(cli, "moved")["counts"]["waiting"] == 0


def test_workers_of_several_devices_are_one_service(cli: Cli, tmp_path: Path) -> None:
    """What a machine with several GPUs runs, with the CPU in their place."""
    cli("create", cli.write(search={"trials": 4}, **QUICK))
    code = (
        "from autoencoder_hpo.processes import Fleet, Slot, attend\n"
        "from autoencoder_hpo.settings import settings\n"
        "attend(Fleet(None, None, [Slot('cpu', 1)] * 2, settings()), lambda line: print(line, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=cli.environment, stdout=subprocess.PIPE, text=True
    )
    until(lambda: status(cli)["state"] == "done")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.count("complete") == 4
    assert "worker 0: " in out


def test_migrate_makes_the_tables_and_says_so(cli: Cli) -> None:
    assert "created the tables" in cli("migrate")
    assert "as it was" in cli("migrate")


def test_six_workers_and_the_dashboard_start_at_once_on_an_empty_database(cli: Cli) -> None:
    started = [cli.start("worker", "--device", "cpu", "--threads", "1") for _ in range(6)]
    started.append(cli.start("dashboard", "--port", "0"))
    lines = [process.stdout.readline() for process in started]  # type: ignore[union-attr]
    codes = [process.poll() for process in started]
    for process in started:
        process.send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=30)[1] for process in started]
    assert lines[:6] == ["waiting for a study with trials to do\n"] * 6, said
    assert lines[6].startswith("dashboard at http://127.0.0.1:"), said
    assert codes == [None] * 7, said
    assert [process.returncode for process in started] == [0] * 7, said
