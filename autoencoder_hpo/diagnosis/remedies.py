"""Changes as lines of a study file, made from what a trial had.

A line names its place as if `trial.model` and `trial.optimizer` were one mapping each; `trials`
puts the trial's option in where the study has a choice.
"""

import math
from typing import Any, assert_never

from annotated_types import Le

from autoencoder_hpo.config import Adam, Remedy, RmsProp, Sgd
from autoencoder_hpo.diagnosis.proposals import line, unet_for
from autoencoder_hpo.diagnosis.trial_context import Case, reach

USUAL_RATE, USUAL_SGD_RATE = 1e-3, 1e-1
"""Where people begin; of sgd, without momentum."""
HIGHEST_RATE = 10.0
"""That a study file may say."""

MODEST, AMPLE = 3.0, 30.0
"""How far a whole training can move its weights, in their own size. Measured on digits and
Fashion-MNIST: 3 to 40 where the learning rate was good, 0.4 where it was ten times too low."""
LIGHT_L2 = (1e-6, 1e-4)
LIVELY = ("leaky_relu", "elu")
"""Activations that never go silent."""
STRONG_DECAY = 0.1
"""Of weights; a tenth of it is usual."""
STRONG_DROPOUT = 0.3
"""Denoising autoencoders suffer from less: their noise regularizes already."""


def rates(case: Case, low: float, high: float) -> str | None:
    """Learning rates between these parts of the trial's own."""
    own = case.config.optimizer.learning_rate
    ends = [min(HIGHEST_RATE, float(f"{own * part:.2g}")) for part in (low, high)]
    if ends[0] >= ends[1]:
        return None
    return line("trial.optimizer.learning_rate", floats(*ends, grid=case.grid, log=True))


def floats(low: float, high: float, *, grid: bool, log: bool = False) -> Any:
    """A range, or for a grid a list of its ends and its middle."""
    if not grid:
        return {"float": [low, high], "log": True} if log else {"float": [low, high]}
    middle = math.sqrt(low * high) if log else (low + high) / 2
    return [low, float(f"{middle:.2g}"), high]


def more(case: Case, place: str, value: int, *, most: int) -> str | None:
    """From twice to eight times as many; None where there are no more to have."""
    low, high = 2 * value, min(most, 8 * value)
    if low >= high:
        return None
    middle = round(math.sqrt(low * high))
    return line(place, [low, middle, high] if case.grid else {"int": [low, high], "log": True})


def relative_rate(case: Case) -> float:
    """The learning rate as a multiple of the usual one; momentum lengthens the steps of sgd."""
    optimizer = case.config.optimizer
    match optimizer:
        case Sgd():
            return optimizer.learning_rate / (1 - optimizer.momentum) / USUAL_SGD_RATE
        case RmsProp():
            return optimizer.learning_rate / (1 - optimizer.momentum) / USUAL_RATE
        case Adam():
            return optimizer.learning_rate / USUAL_RATE
        case _ as never:
            assert_never(never)


def a_unet(case: Case) -> str | None:
    """A small unet in place of the model; None where it is one, or images have no two sides."""
    unet = unet_for(case.shape)
    if unet is None or case.config.model.kind == unet["kind"]:
        return None
    sigmoid = {"output": "sigmoid"} if case.needs_sigmoid else {}
    return line("trial.model", {**unet, **sigmoid})


def other_activation(case: Case) -> tuple[str, str]:
    """Against gradients that vanish."""
    own = case.config.model.activation
    others = [kind for kind in LIVELY if kind != own]
    remedy = f"Use {' or '.join(others)} in place of {own}; normalization helps, too."
    return remedy, line("trial.model.activation", others)


def restraint(case: Case) -> tuple[str, str]:
    """Against learning by heart.

    Measured on 100 and 300 digits: a light L2 penalty gains up to 0.2 dB, dropout loses as much,
    a unet in place of an mlp gains 0.4 to 1 dB.
    """
    own = case.config.l2
    low, high = (2 * own, 20 * own) if own else LIGHT_L2
    value = floats(float(f"{low:.2g}"), min(10.0, float(f"{high:.2g}")), grid=case.grid, log=True)
    remedy = "Penalize large weights (l2); more training images help more, and so does a unet."
    return remedy, line("trial.l2", value)


def capacity(case: Case) -> tuple[str, str | None]:
    """More of what limits the model, in words and as a line."""
    return enlarged(case, case.config.model.larger)


def enlarged(case: Case, remedy: Remedy) -> tuple[str, str | None]:
    """More of a field of the model, in words and as a line."""
    model, field = case.config.model, remedy.field
    bounds = type(model).model_fields[field].metadata
    most: Any = next(bound.le for bound in bounds if isinstance(bound, Le))
    return remedy.advice, more(case, f"trial.model.{field}", getattr(model, field), most=most)


def weaker_penalty(case: Case) -> tuple[str, str] | None:
    """Less of what holds weights near 0; None where nothing does so strongly."""
    config, grid = case.config, case.grid
    if config.l1:
        remedy = "Weaken the L1 penalty (l1), which holds its weights near 0."
        return remedy, line("trial.l1", _weaker(config.l1, grid=grid))
    if config.l2:
        remedy = "Weaken the L2 penalty (l2), which holds its weights near 0."
        return remedy, line("trial.l2", _weaker(config.l2, grid=grid))
    if (decay := config.optimizer.weight_decay) >= STRONG_DECAY:
        remedy = "Weaken the weight decay, which holds its weights near 0."
        return remedy, line("trial.optimizer.weight_decay", _weaker(decay, grid=grid))
    return None


def _weaker(value: float, *, grid: bool) -> Any:
    return floats(float(f"{value / 1000:.2g}"), float(f"{value / 10:.2g}"), grid=grid, log=True)


def less_dropout(case: Case) -> tuple[str, str] | None:
    dropout = case.config.model.dropout
    if dropout < STRONG_DROPOUT:
        return None
    value = floats(0.0, round(dropout / 2, 2), grid=case.grid)
    return "Drop fewer activations while training.", line("trial.model.dropout", value)


def faster(case: Case) -> tuple[str, str | None]:
    """Learning rates that lead as far as good ones do."""
    far = reach(case) or 1.0
    remedy = f"Raise the learning rate of {case.config.optimizer.learning_rate:.2g}."
    return remedy, rates(case, max(2, MODEST / far), max(20, AMPLE / far))


def has_short_steps(case: Case) -> bool:
    """Whether a higher learning rate is the first thing to try."""
    far = reach(case)
    return relative_rate(case) < 1 if far is None else far < MODEST
