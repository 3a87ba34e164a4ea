"""What many workers do to one PostgreSQL: claims a second, statements a trial, connections.

    python tests/benchmarks/load.py [--workers 1 8 40 100 200] [--plot FILE.png]

Every worker is a process with the real storage code: it claims, draws parameters, reports epochs
from a thread, asks the pruner at rungs, and settles. Only the training is replaced, by waiting and
a recorded curve. Afterwards the budget is checked, and that no trial was lost or doubled.
"""

import argparse
import gc
import json
import multiprocessing
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import optuna
import sqlalchemy
from optuna.trial import TrialState
from support import study_file

from autoencoder_hpo.settings import Settings
from autoencoder_hpo.space import fill
from autoencoder_hpo.stopping import StopFlag
from autoencoder_hpo.storage.claiming import Claimed, NoTrial, claim
from autoencoder_hpo.storage.database import Storage, open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.leases import begin, finish
from autoencoder_hpo.storage.records import TrialRecord
from autoencoder_hpo.storage.samplers import PruningCheck, is_rung, with_search
from autoencoder_hpo.storage.study import create_study, open_study
from autoencoder_hpo.storage.study_records import StudyData
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.worker.heartbeat import Heartbeat
from autoencoder_hpo.worker.loop import Pauses

EPOCHS = 10
CURVE = [0.05 / epoch for epoch in range(1, EPOCHS + 1)]  # recorded once, and good enough
HISTORY = tuple(EpochResult(n, mse, mse, 12.0, 1e-3) for n, mse in enumerate(CURVE, 1))
TRIALS_EACH = 2
DATA = {"uid": "0" * 8, "hash": "0" * 64, "counts": {}, "shape": [1, 8, 8],
        "noisy": {"mse": 0.06, "psnr": 12.0, "ssim": 0.5}, "skipped": []}  # fmt: skip


def work(url: str, settings: Settings, name: str, epoch_s: float, out: Any, gate: Any) -> None:
    """One worker, until the budget is used up; says what it did."""
    storage = open_storage(url, settings)
    opened, worker = with_search(open_study(storage, name)), str(os.getpid())
    statements, trials, waited = [0], 0, 0.0

    @sqlalchemy.event.listens_for(storage.engine, "before_cursor_execute")
    def note(*_: object) -> None:
        statements[0] += 1

    pauses = Pauses(storage, StopFlag())
    storage.release_connections()
    gate.wait()
    before = time.process_time()
    rung = is_rung(opened.study)
    while True:
        asked = time.monotonic()
        taken = storage.with_retry(lambda: claim(opened, worker))
        waited += time.monotonic() - asked
        if isinstance(taken, NoTrial):
            if taken.why != "wait":
                break
            pauses.wait()
            continue
        pauses.start_over()
        train(opened, taken, worker, rung, epoch_s)
        trials += 1
    spent = time.process_time() - before
    out.put({"trials": trials, "statements": statements[0], "waited": waited, "cpu": spent})


def train(opened: Any, claimed: Claimed, worker: str, rung: Any, epoch_s: float) -> None:
    storage: Storage = opened.storage

    def draw() -> None:
        opened.trials()
        fill(opened.study.space, optuna.Trial(opened.optuna, claimed.trial_id))

    storage.with_retry(draw)
    storage.with_retry(
        lambda: begin(opened, claimed.trial_id, worker, TrialRecord(config={}), reached=0)
    )
    storage.release_connections()
    judge = PruningCheck(opened, claimed.number)
    with Heartbeat(opened, claimed.trial_id, worker) as beating:
        for epoch, value in enumerate(CURVE, 1):
            time.sleep(epoch_s)
            beating.epoch(epoch, value, 20.0)
            if rung(epoch) and beating.told(5.0):
                values = dict(enumerate(CURVE[:epoch], 1))
                complete = beating.ownership.complete
                storage.with_retry(partial(judge.falls_behind, values, complete=complete))
                storage.release_connections()
        untold = beating.take_untold()
        storage.with_retry(
            lambda: finish(
                opened, claimed.trial_id, worker, TrialState.COMPLETE, CURVE[-1],
                epochs=untold, record=TrialRecord(config={}, history=HISTORY), system={},
            )
        )  # fmt: skip


def measure(url: str, settings: Settings, workers: int, epoch_s: float) -> dict[str, Any]:
    """A study of `TRIALS_EACH` trials a worker; what it took, and what came of it."""
    name, budget = f"load-{workers}", TRIALS_EACH * workers
    storage = open_storage(url, settings)
    file = study_file(
        name=name,
        task={"epochs": EPOCHS},
        search={"trials": budget, "pruner": {"kind": "median"}},
    )
    opened = create_study(storage, file, StudyData.of_record(DATA))
    fork = multiprocessing.get_context("fork")
    out, gate = fork.Queue(), fork.Barrier(workers + 1)
    storage.engine.dispose()
    gc.freeze()  # else every worker copies what it shares with this process
    processes = [
        fork.Process(target=work, args=(url, settings, name, epoch_s, out, gate))
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    gate.wait()
    started, connections, done = time.monotonic(), [0], []
    while len(done) < workers:
        sql = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
        connections.append(storage.rows(sql)[0][0] - 1)
        while not out.empty():
            done.append(out.get())
        time.sleep(0.1)
    seconds = time.monotonic() - started
    for process in processes:
        process.join()
    trials = opened.trials()
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    doubled = sum(d["trials"] for d in done) - len(trials)
    deadlocks = storage.rows("select sum(deadlocks) from pg_stat_database")[0][0]
    storage.engine.dispose()
    return {
        "workers": workers,
        "finished": f"{len(complete)} of {budget}",
        "lost": len(trials) - len(complete),
        "doubled": doubled,
        "deadlocks": int(deadlocks),
        "claims a second": round(budget / seconds, 1),
        "statements a trial": round(sum(d["statements"] for d in done) / budget),
        "ms to claim": round(1000 * sum(d["waited"] for d in done) / budget),
        "CPU ms a trial": round(1000 * sum(d["cpu"] for d in done) / budget),
        "connections at most": max(connections),
    }


def draw_plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    for axis, what in zip(
        axes, ("claims a second", "statements a trial", "connections at most"), strict=True
    ):
        axis.plot([row["workers"] for row in rows], [row[what] for row in rows], marker="o")
        axis.set(title=what, xlabel="workers", ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 40, 100, 200])
    parser.add_argument("--epoch", type=float, default=3.0, help="seconds of an epoch")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    os.environ["TZ"] = "UTC"
    folder = Path(tempfile.mkdtemp(prefix="hpo-load-"))
    settings = Settings(home=folder / "home")
    url, rows = start_embedded(folder / "data"), []
    for workers in given.workers:
        rows.append(measure(url, settings, workers, given.epoch))
        print(json.dumps(rows[-1]), flush=True)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    if given.plot:
        draw_plot(rows, given.plot)


if __name__ == "__main__":
    main()
