"""Whether a search with stacks finds as good a model with as many trials.

    python tests/benchmarks/stacked_search.py [--seeds 5] [--trials 32] [--stack 4] [--out FOLDER]

The space of search.py on 1,000 real Fashion-MNIST images, for each seed once with one trial at a time and once
with stacks, side by side on a core each. Compared is the best validation MSE after so many trials
in the order in which they ended; how long they take does not count here.
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

from autoencoder_hpo.postgres import start_embedded

IMAGES = {"dataset": "fashion_mnist", "train": 1000, "validation": 500}


def searches(given: Any, seed: int, folder: Path) -> dict[str, list[float]]:
    """Best MSE after each trial that was trained to its end or pruned, alone and stacked."""
    url = start_embedded(folder / f"data-{seed}")
    running = {}
    for core, (side, stack) in enumerate({"alone": 1, "stacked": given.stack}.items()):
        name = f"{side}-{seed}"
        file = folder / f"{name}.yaml"
        content = study(name, given.trials, given.epochs, seed)
        content["task"]["data"] = IMAGES
        file.write_text(yaml.safe_dump(content))
        command = [sys.executable, "-m", "autoencoder_hpo", "run", str(file), "--workers", "1",
                   "--stack", str(stack), "--device", "cpu"]  # fmt: skip
        running[side] = subprocess.Popen(
            command,
            env={**os.environ, "AUTOENCODER_HPO_STORAGE": url,
                 "AUTOENCODER_HPO_HOME": str(folder / f"home-{side}")},
            preexec_fn=lambda core=core: os.sched_setaffinity(0, [core % (os.cpu_count() or 1)]),
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    assert [process.wait() for process in running.values()] == [0, 0]
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
        last = {side: round(best[-1], 5) for side, best in found[-1].items()}
        results.row({"seed": seed, **last, "ratio": round(last["stacked"] / last["alone"], 3)})
    for count in (given.trials // 4, given.trials // 2, given.trials):
        ratios = [one["stacked"][count - 1] / one["alone"][count - 1] for one in found]
        results.sum_up(f"after {count} trials, best MSE stacked / alone", spread(ratios, 3))
    results.curves = {side: [one[side] for one in found] for side in found[0]}
    results.save()


if __name__ == "__main__":
    main()
