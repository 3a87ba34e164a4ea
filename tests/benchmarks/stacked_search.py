"""Whether a search with stacks finds as good a model with as many trials.

    python tests/benchmarks/stacked_search.py [--seeds 5] [--trials 40] [--stack 4] [--plot FILE.png]

The space of search.py on real Fashion-MNIST, for each seed once with one trial at a time and once
with stacks, side by side on a core each. Compared is the best validation MSE after so many trials
in the order in which they ended; how long they take does not count here.
"""

import argparse
import json
import os
import statistics
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
from search import curve, study

from autoencoder_hpo.postgres import start_embedded


def searches(given: Any, seed: int, folder: Path) -> dict[str, list[float]]:
    """Best MSE after each trial that was trained to its end or pruned, alone and stacked."""
    url = start_embedded(folder / f"data-{seed}")
    running = {}
    for core, (side, stack) in enumerate({"alone": 1, "stacked": given.stack}.items()):
        name = f"{side}-{seed}"
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(study(name, given.trials, given.epochs, seed)))
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--stack", type=int, default=4)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(tempfile.mkdtemp(prefix="hpo-stacked-search-"))
    found = []
    for seed in range(given.seeds):
        found.append(searches(given, seed, folder))
        last = {side: best[-1] for side, best in found[-1].items()}
        print(json.dumps({"seed": seed, **last}), flush=True)
    for count in (given.trials // 4, given.trials // 2, given.trials):
        ratios = [one["stacked"][count - 1] / one["alone"][count - 1] for one in found]
        print(f"after {count} trials: stacked MSE / unstacked MSE {statistics.median(ratios):.3f}, "
              f"from {min(ratios):.3f} to {max(ratios):.3f}")  # fmt: skip
    if given.plot:
        draw_plot(found, given.plot)


def draw_plot(found: list[dict[str, list[float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for side, color in (("alone", "#555555"), ("stacked", "#1f5fbf")):
        columns = list(zip(*(one[side] for one in found), strict=True))
        after = range(1, len(columns) + 1)
        axis.plot(after, [statistics.median(column) for column in columns], color, label=side)
        axis.fill_between(after, [*map(min, columns)], [*map(max, columns)], color=color, alpha=0.2)
    axis.set(xlabel="trials", ylabel="best validation MSE", yscale="log")
    axis.legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
