"""Training losses and penalties, in the images' precision whatever the step computes in."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoencoder_hpo.config import TrialConfig


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


def penalty(matrices: Sequence[Tensor], *, l1: Tensor | float, l2: Tensor | float) -> Tensor:
    """l1·Σ|w| + l2·Σw², of one model, or of each of several.

    Args:
        matrices: of any shape, or [models, ...] where `l1` and `l2` are [models].
    """
    first = l1.ndim if isinstance(l1, Tensor) else 0
    dims = [tuple(range(first, w.ndim)) for w in matrices]
    absolute = torch.stack([w.abs().sum(dim) for w, dim in zip(matrices, dims, strict=True)])
    squared = torch.stack([w.square().sum(dim) for w, dim in zip(matrices, dims, strict=True)])
    return l1 * absolute.sum(0) + l2 * squared.sum(0)
