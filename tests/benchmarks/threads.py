"""What a second core brings to one training: images a second with one thread and with two.

    python tests/benchmarks/threads.py [--pairs 5] [--out FOLDER]

An epoch with each number of threads in turn, batches of 128 of real Fashion-MNIST. A worker per
core is the better use of two cores as long as two threads are less than scaling.py's two workers.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from plain import TRAIN, task_of_plain
from results import Results, parser, spread
from support import config_of, inputs_of, study_file
from throughput import MODELS

from autoencoder_hpo.settings import Settings
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.steps import drive


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=5)
    given = options.parse_args()
    folder, device = Path(tempfile.mkdtemp(prefix="hpo-threads-")), torch.device("cpu")
    results = Results("threads", given.out)
    efficiencies = []
    for name, model in MODELS.items():
        file = study_file(task=task_of_plain(), trial={"batch_size": 128, "model": model})
        data, config = inputs_of(file, Settings(home=folder)).prepared, config_of(file)
        training = build_training(
            file.study.task, config, data, seed=0, precision=choose_precision(device)
        )

        def seconds(threads: int, training: object = training) -> float:
            torch.set_num_threads(threads)
            started = time.monotonic()
            drive(training.advance())  # type: ignore[attr-defined]
            return time.monotonic() - started

        seconds(1), seconds(2)  # warm
        times = [(seconds(1), seconds(2)) for _ in range(given.pairs)]
        efficiencies += [one / (2 * two) for one, two in times]
        ratios = [one / two for one, two in times]
        results.row({
            "model": name,
            "one thread, images a second": round(TRAIN / statistics.median(t for t, _ in times)),
            "two threads": round(TRAIN / statistics.median(t for _, t in times)),
            "times as fast": spread(ratios),
        })  # fmt: skip
    results.sum_up("efficiency of two threads", spread(efficiencies))
    results.save()


if __name__ == "__main__":
    main()
