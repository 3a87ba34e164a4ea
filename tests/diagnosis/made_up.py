"""Trials that never were: a course of errors, a config, and what was read of the model."""

from collections.abc import Sequence
from typing import Any

import yaml
from optuna.trial import TrialState, create_trial
from records import as_facts
from support import merged

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.study import parse_study

NOISY, AFFINE = 0.025, 0.013
GOOD = {
    "model": {"kind": "mlp", "depth": 1, "width": 64, "latent": 32},
    "optimizer": {"kind": "adam", "learning_rate": 1e-3},
    "batch_size": 32,
}
HEALTH = {
    "images": 64, "loss": 0.01, "gradient_norm": 0.005, "weight_norm": 20.0, "clean_mse": 0.003,
    "dead": 0.1, "dead_layer": 0.2, "saturated": None, "saturated_layer": None,
}  # fmt: skip
DATA = {
    "noisy": {"mse": NOISY, "psnr": 16.0},
    "affine": {"mse": AFFINE, "psnr": 19.0},
    "counts": {"train": 1280, "validation": 160, "test": 160},
    "shape": [1, 8, 8],
    "pca": {
        "components": [1, 2, 4, 8, 16, 32, 64],
        "mse": [0.065, 0.055, 0.04, 0.024, 0.011, 0.003, 0.0],
    },
}
STUDY = {
    "name": "made-up",
    "task": {
        "data": {"dataset": "digits"},
        "corruption": {"kind": "gaussian", "sigma": 0.2},
        "epochs": 30,
    },
    "search": {"sampler": "tpe", "trials": 20},
}


def falling(start: float, end: float, epochs: int = 30) -> list[float]:
    """Fast at first, flat in the end."""
    return [end + (start - end) * 0.75**epoch for epoch in range(epochs)]


def steady(start: float, end: float, epochs: int = 30) -> list[float]:
    """As fast at the end as at first."""
    return [start * (end / start) ** (epoch / (epochs - 1)) for epoch in range(epochs)]


def history(
    val: Sequence[float], train: Sequence[float] | None = None, rates: Sequence[float] | None = None
) -> list[dict[str, float]]:
    """Training errors are a little below those of validation unless given."""
    train = [0.95 * value for value in val] if train is None else train
    rates = [1e-3] * len(val) if rates is None else rates
    return [
        {"epoch": epoch, "train_loss": loss, "val_mse": mse, "val_psnr": 20.0, "learning_rate": lr}
        for epoch, (loss, mse, lr) in enumerate(zip(train, val, rates, strict=True), 1)
    ]


def trial(
    course: Sequence[dict[str, float]],
    *,
    state: TrialState = TrialState.COMPLETE,
    health: dict[str, Any] | None = HEALTH,
    reason: str | None = None,
    **config: Any,
) -> StoredTrial:
    """Of number 7; `config` is laid over a good one."""
    known = TrialConfig.model_validate(merged(GOOD, config)).model_dump(mode="json")
    attrs: dict[str, Any] = {"config": known, "history": list(course), "parameters": 12_000}
    best = min((epoch["val_mse"] for epoch in course), default=0.0)
    complete = state is TrialState.COMPLETE
    if health is not None:
        attrs["health"] = health
    if reason is not None:
        attrs["reason"] = reason
    if complete:
        attrs["scores"] = {"val_mse": best, "val_psnr": 20.0}
    frozen = create_trial(state=state, value=best if complete else None, user_attrs=attrs)
    frozen.number = 7
    return StoredTrial.of(frozen)


def text_of(config: dict[str, Any], **study: Any) -> str:
    return yaml.safe_dump({**merged(STUDY, study), "trial": config}, sort_keys=False)


def facts(*trials: StoredTrial, data: dict[str, Any] | None = None, **study: Any) -> Facts:
    """`data` and `study` are laid over those of a study of digits, `trial=` over a good one."""
    space = merged(GOOD, study.pop("trial", {}))
    parsed = parse_study(text_of(space, **study), where="made-up.yaml", base="/").study
    return as_facts(parsed, {**DATA, **(data or {})}, trials)
