"""When stacks may begin: searches by the hundred, on a model of what trials come to.

    python tests/benchmarks/schedules.py [--trials 64] [--stack 4] [--seeds 40] [--out FOLDER]

Real searches differ too much from seed to seed to choose a schedule by five of them. So 400 random
trials of stacked_search.py's space are trained once, a Gaussian process for each kind of model
learns their best validation MSE, with its scatter, and TPE searches on that, with our settings:
one trial at a time; as many at once; and stacks of one shape, which begin after so many trials.
"""

import math
import random
import statistics
import sys
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import optuna
import torch
from results import Results, parser
from search import study
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from stacked_search import IMAGES

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.data.splits import load_search_data
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import prepare
from autoencoder_hpo.worker.batching import ALONE, ALONE_SHARE

SIZES = {"mlp": range(64, 513, 64), "conv": range(8, 25, 8), "unet": range(4, 13, 4)}
BATCHES = (64, 128, 256)
RATES = (1e-4, 1e-2)
STARTUP = 10
Point = dict[str, Any]


def train(points: Sequence[Point]) -> list[float]:
    """The best validation MSE of these trials; in a process of its own, with one thread."""
    torch.set_num_threads(1)
    task = Task.model_validate({**study("", 1, 3, 0)["task"], "data": IMAGES})
    folder = Path(tempfile.gettempdir()) / "hpo-schedules"
    images = load_search_data(task, base=folder, datasets=folder)
    cpu = torch.device("cpu")
    data = prepare(images.train, images.validation, task, cpu)
    found = []
    for number, point in enumerate(points):
        kind, size = point["kind"], point["size"]
        model = {"mlp": {"width": size, "latent": 64}}.get(kind, {"channels": size})
        config = TrialConfig.model_validate({
            "model": {"kind": kind, "depth": 1, **model},
            "optimizer": {"kind": "adam", "learning_rate": point["rate"]},
            "batch_size": point["batch"],
        })  # fmt: skip
        training = Training(task, config, data, seed=number, precision=choose_precision(cpu))
        found.append(min(result.val_mse for result in training))
    return found


def anywhere(draw: random.Random) -> Point:
    kind = draw.choice(list(SIZES))
    low, high = map(math.log, RATES)
    return {"kind": kind, "size": draw.choice(SIZES[kind]), "batch": draw.choice(BATCHES),
            "rate": math.exp(draw.uniform(low, high))}  # fmt: skip


class Landscape:
    """What a trial comes to, on average and with its scatter, for every shape and rate."""

    GRID = np.linspace(*map(math.log, RATES), 81)

    def __init__(self, points: Sequence[Point], values: Sequence[float]) -> None:
        self.means: dict[tuple[str, int, int], Any] = {}
        self.scatter: dict[str, float] = {}
        for kind, sizes in SIZES.items():
            chosen = [n for n, point in enumerate(points) if point["kind"] == kind]
            inputs = np.array([self._input(points[n]) for n in chosen])
            errors = np.log([values[n] for n in chosen])
            kernel = ConstantKernel(0.1) * RBF([1.0, 1.0, 1.0]) + WhiteKernel(1e-3)
            process = GaussianProcessRegressor(
                kernel, normalize_y=True, random_state=0, n_restarts_optimizer=3
            )  # without new starts it may take everything for scatter
            process.fit(inputs, errors)
            noise = process.kernel_.k2.noise_level
            self.scatter[kind] = math.sqrt(noise) * float(errors.std())
            for size in sizes:
                for batch in BATCHES:
                    row = [
                        [size / max(sizes), rate / 2, math.log2(batch) / 2] for rate in self.GRID
                    ]
                    self.means[kind, size, batch] = process.predict(np.array(row))

    @staticmethod
    def _input(point: Point) -> list[float]:
        return [point["size"] / max(SIZES[point["kind"]]), math.log(point["rate"]) / 2,
                math.log2(point["batch"]) / 2]  # fmt: skip

    def value(self, point: Point, draw: random.Random) -> float:
        means = self.means[point["kind"], point["size"], point["batch"]]
        mean = float(np.interp(math.log(point["rate"]), self.GRID, means))
        return math.exp(mean + draw.gauss(0, self.scatter[point["kind"]]))


def search(
    land: Landscape, seed: int, trials: int, *, n_fused: int, alone: int, stacked: bool
) -> list[float]:
    """Best MSE after each trial; from trial `alone` on, `n_fused` know nothing of each other."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    draw, found = random.Random(seed), optuna.create_study()
    best: list[float] = []
    while len(best) < trials:
        group: list[tuple[optuna.Trial, Point]] = []
        for _ in range(min(n_fused if len(best) >= alone else 1, trials - len(best))):
            number = len(best) + len(group)
            found.sampler = optuna.samplers.TPESampler(
                seed=1000 * seed + number, multivariate=True, group=True, n_startup_trials=STARTUP
            )
            if stacked and group:
                first = group[0][0].params
                found.enqueue_trial({k: v for k, v in first.items() if k != "rate"})
            trial = found.ask()
            group.append((trial, suggest(trial)))
        for trial, point in group:
            value = land.value(point, draw)
            found.tell(trial, value)
            best.append(min(value, best[-1]) if best else value)
    return best


def suggest(trial: optuna.Trial) -> Point:
    kind = trial.suggest_categorical("kind", list(SIZES))
    sizes = SIZES[kind]
    return {
        "kind": kind,
        "size": trial.suggest_int(f"{kind}.size", sizes[0], sizes[-1], step=sizes.step),
        "batch": trial.suggest_categorical("batch", BATCHES),
        "rate": trial.suggest_float("rate", *RATES, log=True),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=64)
    options.add_argument("--stack", type=int, default=4)
    options.add_argument("--seeds", type=int, default=40)
    options.add_argument("--points", type=int, default=400)
    given = options.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    draw = random.Random(0)
    points = [anywhere(draw) for _ in range(given.points)]
    halves = points[::2], points[1::2]
    results = Results("schedules", given.out)
    with ProcessPoolExecutor(2) as pool:
        values = list(pool.map(train, halves))
        land = Landscape([*halves[0], *halves[1]], [*values[0], *values[1]])
        k, ours = given.stack, max(ALONE, int(ALONE_SHARE * given.trials))
        sides = {"one at a time": (1, 0, False), f"{k} at a time": (k, STARTUP, False)} | {
            f"stacks of {k} after {alone}": (k, alone, True)
            for alone in (STARTUP, ours, given.trials // 2)
        }
        ends: dict[str, list[list[float]]] = {}
        for name, (n_fused, alone, stacked) in sides.items():
            jobs = [
                pool.submit(search, land, seed, given.trials,
                            n_fused=n_fused, alone=alone, stacked=stacked)
                for seed in range(given.seeds)
            ]  # fmt: skip
            ends[name] = [job.result() for job in jobs]
    single = ends["one at a time"]
    for name, side in ends.items():
        row = {"search": name}
        for count in (given.trials // 2, given.trials):
            ratios = [a[count - 1] / b[count - 1] for a, b in zip(side, single, strict=True)]
            low, high = np.quantile(ratios, [0.25, 0.75])
            row[f"after {count} trials, best MSE / one at a time (quartiles)"] = (
                f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"
            )
            row[f"geometric mean after {count}"] = f"{statistics.geometric_mean(ratios):.3f}"
        results.row(row)
    results.sum_up("searches for each row", str(given.seeds))
    results.save()


if __name__ == "__main__":
    main()
