"""What training lowers: how far restored images are from clean ones, and penalties.

`total_loss` is the only place that runs the model and adds terms: for a model alone, for those of a
stack, and for `health`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.training.precision import autocast
from autoencoder_hpo.training.results import Precision

T = TypeVar("T")
COEFFICIENTS = ("l1", "l2")
"""Fields that do no more than scale a term. In a stack they differ: each is a tensor there."""


class Loss(NamedTuple):
    """Of one model; each is []."""

    reconstruction: Tensor
    """The mean loss over all pixels, which is reported."""
    total: Tensor
    """With penalties: what a step lowers."""


def total_loss(
    model: nn.Module,
    noisy_NCHW: Tensor,
    clean_NCHW: Tensor,
    config: TrialConfig,
    *,
    precision: Precision = "float32",
) -> Loss:
    """Restore the images, and add up all that is to be lowered.

    Only the model computes in `precision`; all terms do in the images'. In a stack this is called
    once for all models, under `vmap`: each of `COEFFICIENTS` is then a tensor of [] that Python
    cannot read, or 0 where it is for all of them.
    """
    with autocast(noisy_NCHW.device, precision):
        restored_NCHW = model(noisy_NCHW)
    reconstruction = loss_of(restored_NCHW, clean_NCHW, config)
    penalties = []
    if _counts(config.l1) or _counts(config.l2):
        penalties.append(weight_penalty(weights(model), l1=config.l1, l2=config.l2))
    total = reconstruction + reduce(add, penalties) if penalties else reconstruction
    return Loss(reconstruction, total)


def loss_of(restored: Tensor, clean: Tensor, config: TrialConfig) -> Tensor:
    """The mean loss over all pixels."""
    restored = restored.to(clean.dtype)
    match config.loss:
        case "mse":
            return F.mse_loss(restored, clean)
        case "l1":
            return F.l1_loss(restored, clean)
        case "huber":
            return F.huber_loss(restored, clean, delta=config.huber_delta)
        case "bce":
            return F.binary_cross_entropy(restored, clean)


def weights(model: nn.Module) -> list[Tensor]:
    """What penalties and weight decay act on: neither biases nor normalizations."""
    return [p for p in model.parameters() if p.ndim > 1]


def weight_penalty(matrices: Sequence[Tensor], *, l1: float | Tensor, l2: float | Tensor) -> Tensor:
    """l1·Σ|w| + l2·Σw²."""
    absolute = torch.stack([w.abs().sum() for w in matrices]).sum()
    squared = torch.stack([w.square().sum() for w in matrices]).sum()
    return l1 * absolute + l2 * squared


def _counts(coefficient: float | Tensor) -> bool:
    """Whether a term is worth computing. A tensor's value is not read: that waits for a GPU."""
    return isinstance(coefficient, Tensor) or coefficient != 0


def with_tensors(
    model: nn.Module, tensors: Mapping[str, Tensor], function: Callable[[nn.Module], T]
) -> T:
    """What the function gives while these are the model's parameters and buffers.

    `functional_call` of more than the forward pass, since penalties look at the model, too.
    """
    held = {f"model.{name}": tensor for name, tensor in tensors.items()}
    return functional_call(_Holder(model), held, (function,))


class _Holder(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[nn.Module], Any]) -> Any:
        return function(self.model)
