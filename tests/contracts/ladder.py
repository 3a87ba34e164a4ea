"""Trials of which everybody knows which is better: their images lie ever closer to the clean ones.

Rung 0 is the worst restoration and the last rung the best, whatever they are measured by. A
metric's direction is therefore never written here: it is measured.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from contracts.fields import kinds_of, least
from histories import DATA as IMAGES
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from sklearn.datasets import load_digits
from support import merged, study_file
from torch import Tensor

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.study.config import PrunerConfig
from autoencoder_hpo.training.metrics import score

RUNGS = 6
EAGER: dict[str, dict[str, Any]] = {
    "median": {"startup_trials": 1, "warmup_epochs": 0},
    "percentile": {"startup_trials": 1, "warmup_epochs": 0, "percentile": 50},
    "successive_halving": {"reduction_factor": 2},
}
"""By kind: what makes a pruner end a trial that is behind from the first epoch on."""
NOT_EAGER = {
    "hyperband": "which of its halvings takes a trial is a matter of the study's name",
    "none": "it ends no trial",
}
"""Pruners that do not have to, and why."""
PRUNERS = [kind for kind in kinds_of(PrunerConfig) if kind not in NOT_EAGER]
DATA: dict[str, Any] = {**IMAGES, "uid": "aa", "hash": "0123456789abcdef", "shape": [1, 8, 8]}
WIDTH, RATE = "model.mlp.width", "optimizer.adam.learning_rate"
SPACE: dict[str, BaseDistribution] = {
    WIDTH: IntDistribution(8, 32),
    RATE: FloatDistribution(1e-3, 1e-2, log=True),
}
"""Of `support.TINY`."""
RUN = {
    "seed": 7, "device": "cpu", "cpu": "an abacus", "threads": 1, "precision": "float32",
    "versions": {"python": "3.11"}, "git": "abc", "data_hash": DATA["hash"],
}  # fmt: skip
CONFIG = {"model": {"kind": "mlp", "depth": 1, "width": 8, "latent": 8}}
ALWAYS = ("val_mse", "val_psnr")
"""What every epoch tells, whatever the objective is."""


@cache
def images() -> tuple[Tensor, Tensor]:
    """Clean digits, and the same with noise: [48, 1, 8, 8] in [0, 1]."""
    clean = torch.tensor(load_digits().images[:48, None] / 16, dtype=torch.float32)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean, (clean + 0.4 * noise).clamp(0, 1)


def restored(rung: int) -> Tensor:
    """So much of the noise is left."""
    clean, noisy = images()
    return clean + (noisy - clean) * 0.75**rung


@cache
def measured(metric: Metric, rung: int) -> dict[str, Any]:
    """The scores of a rung, as a training that goes by this metric stores them."""
    clean, noisy = images()
    return score(restored(rung), noisy, clean, metric).as_record()


def value(metric: Metric, rung: int) -> float:
    return float(measured(metric, rung)[metric])


def scores(metric: Metric, rung: int, *, others: int | None = None) -> dict[str, float]:
    """Of a trial on this rung by its metric; all else says that it is on the rung `others`."""
    found = measured(metric, rung if others is None else others)
    return {**found, metric.value: value(metric, rung)}


def epoch(metric: Metric, number: int, rung: int, *, others: int | None = None) -> dict[str, Any]:
    """An epoch of a stored history."""
    found = scores(metric, rung, others=others)
    told = {name: found[name] for name in dict.fromkeys((*ALWAYS, metric.value))}
    return {"epoch": number, "train_loss": 0.01, **told, "learning_rate": 0.001}


def trial(
    metric: Metric,
    number: int,
    rung: int,
    *,
    agree: bool = False,
    state: TrialState = TrialState.COMPLETE,
    rungs: Sequence[int] | None = None,
) -> FrozenTrial:
    """A trial that climbed to this rung, or over these `rungs`, an epoch each.

    Unless the scores `agree`, every other metric says the opposite: whoever asks another one than
    the objective takes the worst for the best.
    """
    course = list(range(rung + 1)) if rungs is None else list(rungs)
    others = None if agree else RUNGS - 1 - rung
    told = scores(metric, rung, others=others)
    complete = state is TrialState.COMPLETE
    params = {WIDTH: 8 + number, RATE: 0.001 * (1 + number)}
    history = [
        epoch(metric, place, on, others=None if agree else RUNGS - 1 - on)
        for place, on in enumerate(course, 1)
    ]
    attrs: dict[str, Any] = {
        "config": merged(CONFIG, {"model": {"width": params[WIDTH]}}),
        "run": RUN,
        "worker": "here:1",
        "history": history,
        "val_psnr": told["val_psnr"],
        metric.shown.value: told[metric.shown.value],
        "psnr_gain": told["val_psnr"] - DATA["noisy"]["psnr"],
        "parameters": 1000 + number,
        "seconds": 1.0,
    }
    if complete:
        attrs |= {"scores": told, "best_epoch": len(course)}
    made = create_trial(
        state=state,
        value=told[metric.value] if complete else value(metric, course[-1]),
        params=params,
        distributions=SPACE,
        intermediate_values={place: value(metric, on) for place, on in enumerate(course, 1)},
        user_attrs=attrs,
    )
    made.number = number
    return made


def file_of(metric: Metric, **changes: Any) -> StudyFile:
    return study_file(**merged({"search": {"objective": metric.value}}, changes))


def eager(kind: str) -> dict[str, Any]:
    """A pruner that ends a trial as soon as it is behind."""
    if kind not in EAGER:
        pytest.fail(f"say in EAGER what makes {kind} end a trial early, or in NOT_EAGER why not")
    return {**least(kinds_of(PrunerConfig)[kind]), **EAGER[kind]}
