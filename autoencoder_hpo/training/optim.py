"""Optimizers, and the learning rate as a pure function of where training is."""

import math
from collections.abc import Sequence
from functools import cache
from inspect import unwrap
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autoencoder_hpo.config import (
    Adam,
    ConstantSchedule,
    CosineSchedule,
    ExponentialSchedule,
    OneCycleSchedule,
    OptimizerConfig,
    PlateauSchedule,
    RmsProp,
    ScheduleConfig,
    Sgd,
    StepSchedule,
)

FIRST_OF_CYCLE = 1 / 25
LAST_OF_CYCLE = 1e-4


def build_optimizer(config: OptimizerConfig, model: nn.Module) -> Optimizer:
    """The optimizer; weight decay spares biases and normalizations.

    On CUDA it can be captured in a graph, and then reads its learning rate from a tensor.
    """
    capturable = any(p.is_cuda for p in model.parameters())
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in model.parameters() if p.ndim > 1],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    lr = config.learning_rate
    match config:
        case Adam(kind="adam"):
            betas = (config.beta1, config.beta2)
            return _uncompiled(torch.optim.Adam)(
                groups, lr=lr, betas=betas, fused=True, capturable=capturable
            )
        case Adam():
            betas = (config.beta1, config.beta2)
            return _uncompiled(torch.optim.AdamW)(
                groups, lr=lr, betas=betas, fused=True, capturable=capturable
            )
        case Sgd():
            return _uncompiled(torch.optim.SGD)(
                groups, lr=lr, momentum=config.momentum, nesterov=config.nesterov, fused=True
            )
        case RmsProp():
            return _uncompiled(torch.optim.RMSprop)(
                groups,
                lr=lr,
                alpha=config.alpha,
                momentum=config.momentum,
                capturable=capturable,
            )
        case _:
            assert_never(config)


@cache
def _uncompiled(kind: type[Optimizer]) -> Any:
    """The same optimizer, out of the compiler's sight.

    Stock optimizers ask `torch._dynamo` not to compile them, and import it to do so: more than a
    second of every worker's start. Nothing here is compiled. Where torch does not wrap a method
    any more, it is taken as it is.
    """

    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    bare = {name: unwrap(getattr(kind, name)) for name in names}
    bare["step"] = torch.no_grad()(bare["step"])
    return type(kind.__name__, (kind,), bare)


def lay_out_as_weights(optimizer: Optimizer) -> None:
    """Bring its state into the memory layout of the weights.

    Fused optimizers walk through both as they lie in memory, and do not check that it is the same
    way: with channels-last weights and a state that is not, they compute something else.
    """
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.ndim and value.stride() != weight.stride():
                state[name] = torch.empty_like(weight).copy_(value)


def learning_rate(
    schedule: ScheduleConfig,
    base: float,
    *,
    step: int,
    steps_per_epoch: int,
    epochs: int,
    val_mse: Sequence[float],
) -> float:
    """The learning rate of this step (counted from 0, over all epochs).

    `val_mse` holds the validation MSE of every finished epoch, for `plateau`.
    """
    epoch = step // steps_per_epoch  # finished epochs
    total = epochs * steps_per_epoch
    match schedule:
        case ConstantSchedule():
            return base
        case StepSchedule():
            return base * schedule.factor ** (epoch // schedule.every)
        case ExponentialSchedule():
            return base * math.exp(
                -schedule.rate * max(0, epoch + 1 - max(1, schedule.start_epoch))
            )
        case CosineSchedule():
            warmup = round(schedule.warmup_epochs * steps_per_epoch)
            if step < warmup:
                return base * (step + 1) / (warmup + 1)
            return base * _cosine((step - warmup) / max(1, total - warmup), 1.0, schedule.floor)
        case OneCycleSchedule():
            rise = schedule.rise * total
            if step < rise:
                return base * _cosine(step / rise, FIRST_OF_CYCLE, 1.0)
            return base * _cosine((step - rise) / max(1.0, total - rise), 1.0, LAST_OF_CYCLE)
        case PlateauSchedule():
            return base * schedule.factor ** _plateaus(val_mse, schedule.patience)
        case _:
            assert_never(schedule)


def _cosine(share: float, first: float, last: float) -> float:
    """From `first` at 0 to `last` at 1, along half a cosine (Loshchilov & Hutter, 2016)."""
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def _plateaus(val_mse: Sequence[float], patience: int) -> int:
    """How often `patience` epochs passed without a better one."""
    best, waited, plateaus = math.inf, 0, 0
    for value in val_mse:
        waited = 0 if value < best else waited + 1
        best = min(best, value)
        if waited > patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus
