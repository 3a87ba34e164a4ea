"""Training losses and penalties, in float32 whatever the step computes in."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoencoder_hpo.config import TrialConfig


def loss_of(restored: Tensor, clean: Tensor, config: TrialConfig) -> Tensor:
    """The mean loss over all pixels."""
    restored = restored.float()
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


def penalty(matrices: list[Tensor], *, l1: float, l2: float) -> Tensor | float:
    """l1·Σ|w| + l2·Σw²."""
    total: Tensor | float = 0.0
    if l1:
        total = total + l1 * torch.stack([w.abs().sum() for w in matrices]).sum()
    if l2:
        total = total + l2 * torch.stack([w.square().sum() for w in matrices]).sum()
    return total
