"""Workers of stock Optuna, as its documentation writes them, for the faults to happen to.

    python tests/faults/stock_optuna.py KIND URL [SEED]

Each works on the study `stock`; what a kind does is in its function.
"""

import os
import sys
import time

import optuna
from optuna.storages import RDBStorage
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)


def study(url: str, seed: int | None = None) -> optuna.Study:
    sampler = None if seed is None else optuna.samplers.TPESampler(seed=seed)
    return optuna.create_study(
        study_name="stock", storage=url, load_if_exists=True, sampler=sampler
    )


def open_only(url: str, seed: int) -> None:
    """R1."""
    RDBStorage(url)


def budget(url: str, seed: int) -> None:
    """R2: twelve trials between all of them."""

    def objective(trial: optuna.Trial) -> float:
        time.sleep(0.05)
        return trial.suggest_float("x", 0, 1)

    states = (TrialState.COMPLETE, TrialState.PRUNED)
    study(url).optimize(objective, callbacks=[MaxTrialsCallback(12, states=states)])


def seeded(url: str, seed: int) -> None:
    """R12: every worker with the seed of the study."""
    study(url, seed).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=4)


def grid(url: str, seed: int) -> None:
    """R11: twelve cells between all of them."""
    cells = {"x": list(range(12))}

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_int("x", 0, 11)
        time.sleep(0.05)
        return float(x)

    sampler = optuna.samplers.GridSampler(cells, seed=seed)
    optuna.create_study(
        study_name="stock", storage=url, load_if_exists=True, sampler=sampler
    ).optimize(objective)


def endless(url: str, seed: int) -> None:
    """R3, R19, R20: a long trial that reports."""

    def objective(trial: optuna.Trial) -> float:
        for step in range(10**6):
            trial.report(1.0, step)
            time.sleep(0.1)
        return 1.0

    study(url).optimize(objective)


def stepping(url: str, seed: int) -> None:
    """R5, R6, R7: two trials of three seconds each."""

    def objective(trial: optuna.Trial) -> float:
        for step in range(30):
            trial.report(1.0, step)
            time.sleep(0.1)
        return 1.0

    study(url).optimize(objective, n_trials=2, catch=(Exception,))


if __name__ == "__main__":
    kind, url, *rest = sys.argv[1:]
    os.environ["TZ"] = "UTC"
    globals()[kind](url, int(rest[0]) if rest else 0)
