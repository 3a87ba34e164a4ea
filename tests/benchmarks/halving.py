"""How soon a search reaches a given PSNR with each pruner.

    python tests/benchmarks/halving.py [--seeds 5] [--trials 14] [--epochs 9] [--out FOLDER]

The space of search.py on 1,500 real Fashion-MNIST images, one worker on a core of its own, two
searches side by side. The goal of a seed is what the least successful of its searches came to, so
that all of them reach it. PSNR is that of the mean MSE over all pixels.
"""

import math
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

PRUNERS = ("none", "median", "successive_halving", "hyperband")
IMAGES = {"dataset": "fashion_mnist", "train": 1500, "validation": 500}


def begin(name: str, pruner: str, core: int, given: Any, seed: int, folder: Path) -> Any:
    """A search in a process; also when it began, and where its database is."""
    url = start_embedded(folder / f"data-{name}")
    content = study(name, given.trials, given.epochs, seed)
    content["search"]["pruner"] = {"kind": pruner}
    content["task"]["data"] = IMAGES
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "autoencoder_hpo", "run", str(file), "--workers", "1",
               "--device", "cpu", "--storage", url]  # fmt: skip
    process = subprocess.Popen(
        command,
        env={**os.environ, "AUTOENCODER_HPO_HOME": str(folder / "home")},
        preexec_fn=lambda: os.sched_setaffinity(0, [core]),
        stdout=subprocess.DEVNULL,
    )
    return process, datetime.now(), url


def searches(given: Any, seed: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Seconds and best MSE so far, by pruner."""
    cores = sorted(os.sched_getaffinity(0))
    curves = {}
    for first in range(0, len(PRUNERS), len(cores)):
        running = {
            pruner: begin(f"{pruner}-{seed}", pruner, core, given, seed, folder)
            for core, pruner in zip(cores, PRUNERS[first:], strict=False)
        }
        for pruner, (process, started, url) in running.items():
            assert process.wait() == 0
            curves[pruner] = curve(url, f"{pruner}-{seed}", started)
    return curves


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--trials", type=int, default=14)
    options.add_argument("--epochs", type=int, default=9)
    given = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(tempfile.mkdtemp(prefix="hpo-halving-"))
    results = Results("halving", given.out)
    shares: dict[str, list[float]] = {pruner: [] for pruner in PRUNERS}
    for seed in range(given.seeds):
        curves = searches(given, seed, folder)
        goal = max(points[-1][1] for points in curves.values())
        until = {
            pruner: next(seconds for seconds, best in points if best <= goal)
            for pruner, points in curves.items()
        }
        for pruner, seconds in until.items():
            shares[pruner].append(seconds / until["none"])
        results.row({
            "seed": seed, "goal, dB": round(_psnr(goal), 2),
            **{f"{pruner}, s": round(seconds, 1) for pruner, seconds in until.items()},
            **{f"{pruner}: {given.trials} trials, s (dB)":
               f"{points[-1][0]:.0f} ({_psnr(points[-1][1]):.2f})"
               for pruner, points in curves.items()},
        })  # fmt: skip
        results.curves[str(seed)] = curves
    for pruner in PRUNERS[1:]:
        results.sum_up(f"time to the goal, {pruner} / none", spread(shares[pruner]))
    results.save()


def _psnr(mse: float) -> float:
    return -10 * math.log10(mse)


if __name__ == "__main__":
    main()
