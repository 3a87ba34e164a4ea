"""Seconds until the plain script's final best is reached, ours against the plain script.

    python tests/benchmarks/search.py [--seeds 11] [--trials 10] [--epochs 4] [--out FOLDER]

Two processes of plain_search.py, then two workers of ours, in turn for each seed: the same space,
sampler, pruner, epochs and real Fashion-MNIST images, each from the start of the program on an
empty PostgreSQL database. Compared is the validation MSE of the best epoch of a finished trial.
Ours may go on for twice as many trials, so that it gets there also where the other one was lucky.
"""

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
sys.path.insert(0, str(Path(__file__).parent.parent))

import optuna
import yaml
from optuna.trial import TrialState
from plain import TRAIN, VALIDATION, fashion_mnist, task_of_plain
from results import Results, parser, spread

from autoencoder_hpo.storage.embedded import start_embedded

HERE = Path(__file__).parent


def study(name: str, trials: int, epochs: int, seed: int) -> dict[str, Any]:
    """The space of plain_search.py."""
    return {
        "name": name,
        "task": task_of_plain(epochs),
        "search": {
            "sampler": {"kind": "tpe"},
            "pruner": {"kind": "median"},
            "trials": trials,
            "seed": seed,
        },
        "trial": {
            "optimizer": {
                "kind": "adam",
                "learning_rate": {"float": [1e-4, 1e-2], "log": True},
            },
            "batch_size": [64, 128, 256],
            "model": {
                "choice": [
                    {
                        "kind": "mlp",
                        "depth": 1,
                        "width": {"int": [64, 512], "step": 64},
                        "latent": 64,
                    },
                    {"kind": "conv", "depth": 1, "channels": {"int": [8, 24], "step": 8}},
                    {"kind": "unet", "depth": 1, "channels": {"int": [4, 12], "step": 4}},
                ]
            },
        },
    }


def curve(url: str, name: str, started: datetime) -> list[tuple[float, float]]:
    """Seconds and best value so far, after each trial that was trained to its end or pruned."""
    trials = optuna.load_study(study_name=name, storage=url).get_trials(deepcopy=False)
    ended = sorted(
        (
            (t.datetime_complete - started).total_seconds(),
            t.value if t.state is TrialState.COMPLETE and t.value is not None else float("inf"),
        )
        for t in trials
        if t.datetime_complete and t.state is not TrialState.FAIL
    )
    best, points = float("inf"), []
    for seconds, value in ended:
        best = min(best, value)
        points.append((seconds, best))
    return points


def plain(url: str, name: str, given: Any, seed: int, images: Path) -> list[tuple[float, float]]:
    started = datetime.now()
    command = [
        sys.executable, str(HERE / "plain_search.py"), "--storage", url, "--name", name,
        "--trials", str(given.trials), "--epochs", str(given.epochs), "--images", str(images),
        "--train", str(TRAIN), "--validation", str(VALIDATION),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # Stock Optuna fails when two processes open an empty database at once: one begins.
    first = subprocess.Popen([*command, "--seed", str(2 * seed)], env=environment)
    while not _exists(url, name) and first.poll() is None:
        time.sleep(0.2)
    second = subprocess.Popen([*command, "--seed", str(2 * seed + 1)], env=environment)
    assert [first.wait(), second.wait()] == [0, 0]
    return curve(url, name, started)


def ours(url: str, name: str, given: Any, seed: int, folder: Path) -> list[tuple[float, float]]:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(study(name, 2 * given.trials, given.epochs, seed)))
    started = datetime.now()
    subprocess.run(
        [sys.executable, "-m", "autoencoder_hpo", "run", str(file), "--workers", "2"],
        env={**os.environ, "AUTOENCODER_HPO_STORAGE": url,
             "AUTOENCODER_HPO_HOME": str(folder / "home")},
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return curve(url, name, started)


def _exists(url: str, name: str) -> bool:
    try:
        return name in optuna.get_all_study_names(url)
    except Exception:
        return False


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=11)
    options.add_argument("--trials", type=int, default=10)
    options.add_argument("--epochs", type=int, default=4)
    given = options.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(tempfile.mkdtemp(prefix="hpo-search-"))
    fashion_mnist(folder / "images")
    results = Results("search", given.out)
    found_shares, whole_shares, same_shares = [], [], []
    for seed in range(given.seeds):
        theirs = plain(
            start_embedded(folder / f"plain-{seed}"), f"plain-{seed}", given, seed,
            folder / "images",
        )  # fmt: skip
        mine = ours(start_embedded(folder / f"ours-{seed}"), f"ours-{seed}", given, seed, folder)
        goal = theirs[-1][1]
        until = next((seconds for seconds, best in mine if best <= goal), float("inf"))
        found = next(seconds for seconds, best in theirs if best <= goal)
        found_shares.append(until / found)
        whole_shares.append(until / theirs[-1][0])
        same_shares.append(mine[given.trials - 1][0] / theirs[-1][0])
        results.curves[str(seed)] = {"ours": mine, "plain": theirs}
        results.row({
            "seed": seed, "the plain script's best MSE": round(goal, 5),
            "it found it after, s": round(found, 1), "it ended after, s": round(theirs[-1][0], 1),
            "ours reached that after, s": round(until, 1),
            "share of the time to it": round(found_shares[-1], 2),
            "ours ended as many trials after, s": round(mine[given.trials - 1][0], 1),
        })  # fmt: skip
    results.sum_up("share of the time in which the plain script found its best",
                   spread(found_shares))  # fmt: skip
    results.sum_up("share of the plain script's whole time", spread(whole_shares))
    results.sum_up("time for as many trials, ours / plain", spread(same_shares))
    results.sum_up(*of_the_median(results.curves))
    results.save()


def of_the_median(curves: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """When the median over seeds of the best so far is what plain's is in the end, on both sides.

    Less of a lottery than each seed by itself.
    """

    def median(side: str, seconds: float) -> float:
        return statistics.median(
            min((best for ended, best in one[side] if ended <= seconds), default=float("inf"))
            for one in curves.values()
        )

    moments = sorted(
        ended for one in curves.values() for points in one.values() for ended, _ in points
    )
    goal = median("plain", moments[-1])
    ours, theirs = (
        next((moment for moment in moments if median(side, moment) <= goal), float("inf"))
        for side in ("ours", "plain")
    )
    return (
        "the median over seeds is as good as plain's in the end",
        f"after {ours:.0f} s, plain after {theirs:.0f} s: {ours / theirs:.2f}",
    )


if __name__ == "__main__":
    main()
