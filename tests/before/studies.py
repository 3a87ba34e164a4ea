"""The studies that were stored: what their files say, and how their trials ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Ending = Literal["Complete", "Pruned", "Failed", "half-way"]


@dataclass(frozen=True)
class Recipe:
    """`file`: what differs from a tiny study; `paused`: why, where it is."""

    file: Mapping[str, Any]
    trials: tuple[Ending, ...] = ()
    paused: str | None = None


DATA = {"dataset": "digits", "train": 120, "validation": 40, "test": 40}
MLP: dict[str, Any] = {"kind": "mlp", "depth": 1, "width": {"int": [8, 32]}, "latent": 8}
CONV: dict[str, Any] = {"kind": "conv", "depth": 1, "channels": {"int": [2, 6]}, "latent": 8}
UNET: dict[str, Any] = {"kind": "unet", "depth": 1, "channels": {"int": [2, 6]}}


def _start(kind: str, optimizer: str, rate: float, **own: Any) -> dict[str, Any]:
    return {
        "model": {"kind": kind, **own},
        "optimizer": {"kind": optimizer, "learning_rate": rate},
        "l2": 1e-4,
    }


SEARCHED = Recipe(
    file={
        "description": "Every ending that a trial may have",
        "task": {"data": DATA, "epochs": 4, "seed": 3},
        "search": {
            "sampler": {"kind": "tpe", "startup_trials": 3},
            "pruner": {"kind": "median", "startup_trials": 3, "warmup_epochs": 1},
            "objective": "val_psnr",
            "trials": 8,
            "patience": 20,
            "seed": 1,
            "start": [
                {**_start("mlp", "sgd", 10.0), "l2": 10.0},
                _start("mlp", "adam", 0.01),
                _start("mlp", "sgd", 0.5),
                _start("conv", "adam", 0.02),
                _start("unet", "adam", 0.01),
                _start("conv", "sgd", 1e-4),
                _start("unet", "sgd", 0.05, channels=5),
            ],
        },
        "trial": {
            "model": {
                "choice": [
                    {**MLP, "output": "linear", "activation": ["relu", "tanh"]},
                    CONV,
                    {**UNET, "normalization": "batch", "dropout": 0.1},
                ]
            },
            "optimizer": {
                "kind": ["adam", "sgd"],
                "learning_rate": {"float": [1e-4, 10.0], "log": True},
            },
            "batch_size": 40,
            "l2": [1e-4, 10.0],
            "early_stopping": 3,
        },
    },
    trials=("Pruned", "Failed", "Complete", "Complete", "Complete", "Pruned", "half-way"),
)
FOLDED = Recipe(
    file={
        "task": {"data": {**DATA, "train": 80}, "epochs": 4, "folds": 2},
        "search": {"trials": 3},
        "trial": {
            "model": {**MLP, "width": {"int": [4, 8]}, "latent": 4},
            "batch_size": [20, 25],
            "loss": ["mse", "l1"],
            "schedule": {"kind": "cosine", "warmup_epochs": 1},
        },
    },
    trials=("Complete", "Complete", "half-way"),
)
ONE_MLP = Recipe(
    file={
        "task": {"data": {**DATA, "scale": "minmax"}, "epochs": 3},
        "search": {"objective": "val_psnr", "trials": 1},
        "trial": {"model": {**MLP, "normalization": "batch"}, "standardize": True, "batch_size": 20},
    },
    trials=("Complete",),
)  # fmt: skip
ONE_CONV = Recipe(
    file={
        "task": {"data": DATA, "corruption": {"kind": "masking", "fraction": 0.3}, "epochs": 3},
        "search": {"sampler": "grid", "trials": None},
        "trial": {
            "model": {**CONV, "channels": 4, "normalization": ["group", "none"]},
            "optimizer": {"kind": "adam", "learning_rate": 0.02},
            "loss": "bce",
            "batch_size": 20,
        },
    },
    trials=("Complete", "Complete"),
)
ONE_UNET = Recipe(
    file={
        "task": {"data": DATA, "corruption": {"kind": "poisson", "peak": 8}, "epochs": 3},
        "search": {"objective": "val_psnr", "trials": 1, "timeout": "2h"},
        "trial": {
            "model": {**UNET, "channels": 4, "activation": "silu"},
            "optimizer": {"kind": "adamw", "weight_decay": 0.01},
            "corruption": {"kind": "gaussian", "sigma": {"float": [0.1, 0.3]}},
            "batch_size": 20,
        },
    },
    trials=("Complete",),
)
PAUSED = Recipe(
    file={"search": {"start": [{"batch_size": 64}]}}, paused="the cores are needed until noon"
)
STUDIES = {
    "searched": SEARCHED,
    "folded": FOLDED,
    "mlp": ONE_MLP,
    "conv": ONE_CONV,
    "unet": ONE_UNET,
    "paused": PAUSED,
}
BUNDLES = ("mlp", "conv", "unet")
"""The studies that were finalized."""
