"""Trainings of every kind, small, alone and in a stack: what they come to.

Every model with every optimizer; every normalization, activation, output, loss, schedule and
corruption at least once. All that they need of the package is imported here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from support import config_of, inputs_of, merged, study_file

from autoencoder_hpo.config import Metric
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.health import health_of
from autoencoder_hpo.training.stacked import StackedSteps
from autoencoder_hpo.training.steps import drive, together

MODELS = {
    "mlp": {"kind": "mlp", "depth": 1, "width": 24, "latent": 8},
    "conv": {"kind": "conv", "depth": 1, "channels": 4, "latent": 8},
    "unet": {"kind": "unet", "depth": 1, "channels": 4},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"kind": "adam", "learning_rate": 1e-2, "beta1": 0.8, "beta2": 0.99},
    "adamw": {"kind": "adamw", "learning_rate": 1e-2},
    "sgd": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    "rmsprop": {"kind": "rmsprop", "learning_rate": 1e-3, "momentum": 0.5, "alpha": 0.95},
}
RATES = (1.0, 0.5, 0.3)
"""What the learning rate of each model of a stack is, of its optimizer's."""


@dataclass(frozen=True)
class Kind:
    """What the models of a stack share."""

    normalization: str
    activation: str
    output: str
    loss: str
    precision: str = "float32"
    best_by: str = "val_mse"
    task: Mapping[str, Any] = field(default_factory=dict)


KINDS = {
    ("mlp", "adam"): Kind("batch", "relu", "sigmoid", "mse"),
    ("mlp", "adamw"): Kind("layer", "gelu", "linear", "l1", "bfloat16", "val_psnr"),
    ("mlp", "sgd"): Kind("none", "tanh", "residual", "huber"),
    ("mlp", "rmsprop"): Kind("group", "sigmoid", "sigmoid", "bce", task={"data": {"scale": "minmax"}}),
    ("conv", "adam"): Kind("batch", "leaky_relu", "linear", "mse", "bfloat16"),
    ("conv", "adamw"): Kind("group", "elu", "sigmoid", "bce", task={"folds": 2}),
    ("conv", "sgd"): Kind("none", "silu", "residual", "l1", best_by="val_psnr"),
    ("conv", "rmsprop"): Kind("layer", "relu", "sigmoid", "mse"),
    ("unet", "adam"): Kind("group", "gelu", "residual", "huber"),
    ("unet", "adamw"): Kind("batch", "relu", "sigmoid", "bce", "bfloat16"),
    ("unet", "sgd"): Kind("layer", "elu", "linear", "mse", best_by="val_psnr"),
    # A last batch of one image is left out.
    ("unet", "rmsprop"): Kind("none", "leaky_relu", "residual", "l1", task={"data": {"train": 81}}),
}  # fmt: skip

LANES: tuple[dict[str, Any], ...] = (
    {"dropout": 0.3, "l1": 1e-4, "schedule": {"kind": "cosine", "warmup_epochs": 1, "floor": 0.1}},
    {"gradient_clip": 0.1, "standardize": True, "corruption": {"kind": "poisson", "peak": 20}},
    {"dropout": 0.1, "l2": 1e-3, "corruption": {"kind": "masking", "fraction": 0.4}},
    {
        "dropout": 0.5,
        "schedule": {"kind": "exponential", "rate": 0.2, "start_epoch": 1},
        "corruption": {"kind": "salt_and_pepper", "fraction": 0.2},
    },
    {
        "decay": 0.05,
        "schedule": {"kind": "step", "every": 2, "factor": 0.3},
        "corruption": {"kind": "speckle", "sigma": 0.4, "clip": False},
    },
    {"standardize": True, "schedule": {"kind": "one_cycle", "rise": 0.4}, "epochs": 3},
    {
        "l1": 1e-5,
        "l2": 1e-4,
        "decay": 0.1,
        "gradient_clip": 0.5,
        "schedule": {"kind": "plateau", "patience": 1, "factor": 0.2},
        "corruption": {"kind": "none"},
    },
)
"""What differs between the models of a stack; they take these in turn."""

TASK: dict[str, Any] = {
    "data": {"train": 100, "validation": 40},
    "corruption": {"kind": "gaussian", "sigma": 0.2},
    "epochs": 4,
}
BATCH = 40
SEED = 5


Curve = list[list[str]]
"""Of each epoch: training loss, validation MSE and PSNR, learning rate, as `float.hex` has them."""


def trained(model: str, optimizer: str, home: Path) -> list[dict[str, Any]]:
    """What three models of a kind come to, each alone and all in a stack.

    `home` is any folder. Trained with one thread.
    """
    kind = KINDS[model, optimizer]
    first = len(RATES) * list(KINDS).index((model, optimizer))
    train_states = [LANES[(first + number) % len(LANES)] for number in range(len(RATES))]
    files = [
        _file(kind, model, {**OPTIMIZERS[optimizer]}, rate, train_state)
        for rate, train_state in zip(RATES, train_states, strict=True)
    ]
    data = inputs_of(files[0], Settings(home=home)).prepared

    def fresh() -> list[Any]:
        return [
            build_training(
                file.study.task,
                config_of(file),
                data,
                seed=SEED + number,
                precision=kind.precision,
                best_by=Metric(kind.best_by),
            )
            for number, file in enumerate(files)
        ]

    alone, stack = fresh(), fresh()
    for training in alone:
        list(training)
    drive(together([_whole(training) for training in stack]), StackedSteps())
    widths = {training.n_fused for training in stack}
    assert widths == {len(RATES) * len(data)}, f"not trained in a stack: {widths}"
    return [
        {
            "alone": _curve(one),
            "stacked": _curve(other),
            "best": [one.best.epoch, other.best.epoch],
            "scores": [_hex(one.scores().as_record()), _hex(other.scores().as_record())],
            "groups": _hex(one.group_psnr() or {}),
            "health": asdict(health_of(one)),
        }
        for one, other in zip(alone, stack, strict=True)
    ]


def _file(
    kind: Kind, model: str, optimizer: dict[str, Any], rate: float, train_state: Mapping[str, Any]
) -> Any:
    own = dict(train_state)
    optimizer["learning_rate"] *= rate
    optimizer["weight_decay"] = own.pop("decay", 0.0)
    style = {
        "normalization": kind.normalization,
        "activation": kind.activation,
        "output": kind.output,
        "dropout": own.pop("dropout", 0.0),
    }
    if kind.loss == "huber":
        own["huber_delta"] = 0.05
    trial = {
        "model": {**MODELS[model], **style},
        "optimizer": optimizer,
        "batch_size": BATCH,
        "loss": kind.loss,
    }
    return study_file(task=merged(TASK, dict(kind.task)), trial={**trial, **own})


def _whole(training: Any) -> Iterator[Any]:
    while (yield from training.advance()):
        pass


def _curve(training: Any) -> Curve:
    return [
        [
            value.hex()
            for value in (each.train_loss, each.val_mse, each.val_psnr, each.learning_rate)
        ]
        for each in training.history
    ]


def _hex(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.hex() if isinstance(v, float) else v for k, v in values.items()}
