"""Whether the place of a pruned trial in a stack is better left empty or given to another trial.

    python tests/benchmarks/refill.py [--pairs 5] [--trials 32] [--stack 4] [--out FOLDER]

The same number of trials of one shape on real digits, median pruning, in turn: stacks that shrink
as their trials are pruned, and stacks whose places are taken by others.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from results import Results, parser, spread
from support import inputs_of, study_file

from autoencoder_hpo.inputs import describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.stopping import StopFlag
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.study import create_study
from autoencoder_hpo.worker import batching
from autoencoder_hpo.worker.batching import Batcher
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.loop import StudySession

STUDY: dict[str, Any] = {
    "task": {"data": {"dataset": "digits", "train": 1400}, "epochs": 12},
    "trial": {
        "optimizer": {"kind": "adam", "learning_rate": {"float": [1e-4, 3e-2], "log": True}},
        "batch_size": 32,
        "model": {"kind": "mlp", "depth": 1, "width": 64, "latent": 16},
    },
}


def seconds(name: str, fillings: int, given: Any, url: str, settings: Settings) -> float:
    """Of a whole study."""
    storage = open_storage(url, settings)
    search = {"sampler": {"kind": "random"}, "pruner": {"kind": "median", "startup_trials": 3}}
    file = study_file(**STUDY, name=name, search={**search, "trials": given.trials})
    create_study(storage, file, describe(inputs_of(file, settings)))
    context = WorkerContext(worker=name, device=torch.device("cpu"), threads=1, settings=settings)
    bench = StudySession(storage, name, context, Batcher(given.stack, fillings=fillings))
    stop = StopFlag()
    started = time.monotonic()
    while isinstance(bench.turn(stop), list):
        pass
    return time.monotonic() - started


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--trials", type=int, default=32)
    options.add_argument("--stack", type=int, default=4)
    given = options.parse_args()
    os.environ["TZ"] = "UTC"
    torch.set_num_threads(1)
    batching.ALONE, batching.ALONE_SHARE = 0, 0
    folder = Path(tempfile.mkdtemp(prefix="hpo-refill-"))
    settings = Settings(home=folder / "home")
    url = start_embedded(folder / "data")
    seconds("warm", 1, given, url, settings)
    results = Results("refill", given.out)
    ratios = []
    for pair in range(given.pairs):
        shrinking = seconds(f"shrinking-{pair}", 1, given, url, settings)
        refilled = seconds(f"refilled-{pair}", 2, given, url, settings)
        ratios.append(shrinking / refilled)
        results.row({
            "stacks that shrink, s": round(shrinking, 1),
            "places taken again, s": round(refilled, 1),
            "times as fast": round(ratios[-1], 2),
        })  # fmt: skip
    results.sum_up("taking places again, times as fast as shrinking", spread(ratios))
    results.save()


if __name__ == "__main__":
    main()
