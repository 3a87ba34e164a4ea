"""Trials an hour with 1, 2, 4 … workers: how much of each further core arrives.

    python tests/benchmarks/scaling.py [--workers 1 2] [--pairs 5] [--trials 8] [--out FOLDER]

Real workers on real Fashion-MNIST, on as many cores as there are workers; the same trials with
each number of workers, in turn. Counted from the first trial's start to the last one's end, without the processes' start.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import optuna
from results import Results, parser, spread
from support import study_file

from autoencoder_hpo.inputs import describe, load_inputs
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.study import create_study
from autoencoder_hpo.training.devices import choose_device

STUDY: dict[str, Any] = {
    "task": {
        "data": {"dataset": "fashion_mnist", "train": 4096, "validation": 512},
        "epochs": 4,
    },
    "search": {"sampler": {"kind": "random"}, "pruner": {"kind": "none"}},
    "trial": {"batch_size": 128, "model": {"kind": "unet", "depth": 1, "channels": 8}},
}


def seconds(name: str, workers: int, trials: int, url: str, settings: Settings) -> float:
    storage = open_storage(url, settings)
    study = {**STUDY, "name": name, "search": {**STUDY["search"], "trials": trials}}
    file = study_file(**study)
    inputs = load_inputs(file, settings, choose_device("cpu"))
    create_study(storage, file, describe(inputs))
    storage.release_connections()
    environment = {**os.environ, "AUTOENCODER_HPO_HOME": str(settings.home)}
    command = [sys.executable, "-m", "autoencoder_hpo", "resume", name, "--device", "cpu"]
    subprocess.run(
        [*command, "--workers", str(workers), "--storage", url],
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, range(workers)),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    done = optuna.load_study(study_name=name, storage=url).get_trials(deepcopy=False)
    begun = min(trial.datetime_start for trial in done if trial.datetime_start)
    ended = max(trial.datetime_complete for trial in done if trial.datetime_complete)
    assert len(done) == trials
    return (ended - begun).total_seconds()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--trials", type=int, default=8)
    given = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ["TZ"] = "UTC"
    folder = Path(tempfile.mkdtemp(prefix="hpo-scaling-"))
    settings = Settings(home=folder / "home")
    url = start_embedded(folder / "data")
    results = Results("scaling", given.out)
    efficiencies: dict[int, list[float]] = {workers: [] for workers in given.workers[1:]}
    for pair in range(given.pairs):
        took = {
            workers: seconds(f"pair-{pair}-{workers}", workers, given.trials, url, settings)
            for workers in given.workers
        }
        one = took[given.workers[0]] * given.workers[0]
        row: dict[str, Any] = {f"{w} workers, s": round(t, 1) for w, t in took.items()}
        for workers, found in efficiencies.items():
            found.append(one / (workers * took[workers]))
            row[f"efficiency of {workers}"] = round(found[-1], 2)
        results.row(row)
    for workers, found in efficiencies.items():
        results.sum_up(f"efficiency of {workers} workers", spread(found))
    results.save()


if __name__ == "__main__":
    main()
