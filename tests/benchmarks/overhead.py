"""What a trial costs beside its training, and how many statements it sends.

    python tests/benchmarks/overhead.py [--trials 6] [--out FOLDER]

A real worker on a real PostgreSQL: twenty epochs of half a second, eight parameters, median
pruning, checkpoints, pictures. The same number of parameters and reports from stock Optuna in the
same run, for the statements.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import optuna
import sqlalchemy
import torch
from results import Results, parser
from support import inputs_of, study_file

from autoencoder_hpo.inputs import describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.stopping import StopFlag
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.study import create_study
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.training.steps import Steps
from autoencoder_hpo.worker.batching import Batcher
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.loop import StudySession

EPOCHS = 20
STUDY: dict[str, Any] = {
    "task": {"data": {"dataset": "digits", "train": 1400}, "epochs": EPOCHS},
    "search": {"pruner": {"kind": "median", "startup_trials": 1000}, "trials": 1000},
    "trial": {
        "optimizer": {
            "kind": "adam",
            "learning_rate": {"float": [1e-3, 1e-2]},
            "beta1": {"float": [0.8, 0.95]},
            "weight_decay": {"float": [1e-6, 1e-4]},
        },
        "l2": {"float": [0.0, 1e-6]},
        "batch_size": [16, 17],
        "standardize": [True, False],
        "model": {
            "kind": "unet",
            "depth": 1,
            "channels": {"int": [10, 11]},
            "dropout": {"float": [0.0, 0.1]},
        },
    },
}


def counted(engine: sqlalchemy.Engine) -> Counter[bool]:
    """How many statements this engine sends: for trials, and (True) for pictures of the study."""
    sent: Counter[bool] = Counter()

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute")
    def note(*_: object) -> None:
        sent[threading.current_thread().name.startswith("pictures")] += 1

    return sent


def statements_of_stock(url: str) -> int:
    """Of one trial of twenty reports and eight parameters."""
    study = optuna.create_study(storage=url, pruner=optuna.pruners.MedianPruner())
    sent = counted(study._storage._backend.engine)  # type: ignore[attr-defined]

    def objective(trial: optuna.Trial) -> float:
        for number in range(8):
            trial.suggest_float(str(number), 0, 1)
        for step in range(EPOCHS):
            trial.report(1.0, step)
            trial.should_prune()
        return 1.0

    study.optimize(objective, n_trials=1)
    return sent[False]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=6)
    given = options.parse_args()
    os.environ["TZ"] = "UTC"
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="hpo-overhead-"))
    settings = Settings(home=folder / "home")
    url = start_embedded(folder / "data")
    storage = open_storage(url, settings)
    file = study_file(**STUDY)
    create_study(storage, file, describe(inputs_of(file, settings)))
    context = WorkerContext(
        worker="overhead", device=torch.device("cpu"), threads=1, settings=settings
    )
    bench = StudySession(storage, file.study.name, context, Batcher("auto"))
    stop, sent = StopFlag(), counted(storage.engine)

    trained = [0.0]
    epoch = Training.epoch

    def timed(training: Training) -> Steps[EpochResult]:
        started = time.monotonic()
        try:
            return (yield from epoch(training))
        finally:
            trained[0] += time.monotonic() - started

    Training.epoch = timed  # type: ignore[method-assign]
    results = Results("overhead", given.out)
    for number in range(given.trials + 1):
        sent.clear()
        started, trained[0] = time.monotonic(), 0.0
        trials = bench.turn(stop)
        seconds, statements = time.monotonic() - started, dict(sent)
        assert isinstance(trials, list)
        assert [trial.state.name for trial in bench.trials(trials, stop)] == ["COMPLETE"]
        if number > 0:  # the first loads the images, and imports what draws the pictures
            results.row({
                "training, s": round(trained[0], 2),
                "beside it, s": round(seconds - trained[0], 3),
                "statements": statements[False],
                "for the study's pictures, every 15 s": statements.get(True, 0),
            })  # fmt: skip
    beside = statistics.median(row["beside it, s"] for row in results.rows)
    results.sum_up("beside the training", f"{beside:.2f} s, {beside / 10:.1%} of a trial of 10 s")
    ours = statistics.median(row["statements"] for row in results.rows)
    stock = statements_of_stock(url)
    results.sum_up("statements of a trial", f"{ours:.0f}; stock Optuna {stock}: {ours / stock:.2f}")
    results.save()


if __name__ == "__main__":
    main()
