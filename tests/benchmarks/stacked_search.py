"""Whether a search with stacks finds as good a model with as many trials.

    python tests/benchmarks/stacked_search.py [--seeds 5] [--trials 32] [--stack 4] [--out FOLDER]

The space of search.py on 1,000 real Fashion-MNIST images, for each seed with one trial at a time, with
stacks, and with as many workers as a stack has trials: these, too, learn nothing of each other
while they train. Compared is the best validation MSE after so many trials in the order in which
they ended; how long they take does not count here.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import optuna
import yaml
from results import Results, parser, spread
from search import curve, study

from autoencoder_hpo.storage.embedded import start_embedded

IMAGES = {"dataset": "fashion_mnist", "train": 1000, "validation": 500}


def searches(given: Any, seed: int, folder: Path) -> dict[str, list[float]]:
    """Best MSE after each trial that was trained to its end or pruned, for each side."""
    url = start_embedded(folder / f"data-{seed}")
    running = {}
    sides = {"alone": (1, 1), "stacked": (1, given.stack), "workers": (given.stack, 1)}
    cores = sorted(os.sched_getaffinity(0))
    for side, (workers, stack) in sides.items():
        core = cores if side == "workers" else [cores[list(sides).index(side) % len(cores)]]
        name = f"{side}-{seed}"
        file = folder / f"{name}.yaml"
        content = study(name, given.trials, given.epochs, seed)
        content["task"]["data"] = IMAGES
        file.write_text(yaml.safe_dump(content))
        command = [sys.executable, "-m", "autoencoder_hpo", "run", str(file), "--workers", str(workers),
                   "--stack", str(stack), "--device", "cpu"]  # fmt: skip
        running[side] = subprocess.Popen(
            command,
            env={**os.environ, "AUTOENCODER_HPO_STORAGE": url,
                 "AUTOENCODER_HPO_HOME": str(folder / f"home-{side}")},
            # A core for each, and so one thread; the workers have one each anyway.
            preexec_fn=lambda core=core: os.sched_setaffinity(0, core),
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    assert [process.wait() for process in running.values()] == [0] * len(running)
    return {
        side: [best for _, best in curve(url, f"{side}-{seed}", datetime(2000, 1, 1))]
        for side in running
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--trials", type=int, default=32)
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--stack", type=int, default=4)
    given = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(tempfile.mkdtemp(prefix="hpo-stacked-search-"))
    results = Results("stacked_search", given.out)
    found = []
    for seed in range(given.seeds):
        found.append(searches(given, seed, folder))
        results.row({"seed": seed, **{s: round(best[-1], 5) for s, best in found[-1].items()}})
    for other in ("alone", "workers"):
        for count in (given.trials // 2, given.trials):
            ratios = [one["stacked"][count - 1] / one[other][count - 1] for one in found]
            results.sum_up(f"after {count} trials, best MSE stacked / {other}", spread(ratios, 3))
    results.curves = {side: [one[side] for one in found] for side in found[0]}
    results.save()


if __name__ == "__main__":
    main()
