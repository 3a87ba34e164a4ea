"""Pieces that every model uses: activations, normalization, reproducible dropout."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activate(name: str) -> nn.Module:
    return ACTIVATIONS[name]()


def normalize_features(name: str, features: int) -> list[nn.Module]:
    """Normalization of [N, features]; a lone feature is normalized over the batch or not at all.

    Over itself it would always become 0.
    """
    if features == 1 and name != "batch":
        return []
    match name:
        case "none":
            return []
        case "batch":
            return [nn.BatchNorm1d(features)]
        case "layer":
            return [nn.LayerNorm(features)]
        case "group":
            return [nn.GroupNorm(groups_of(features), features)]
        case _:
            raise ValueError(f"no such normalization: {name}")


def normalize_channels(name: str, channels: int) -> list[nn.Module]:
    """Normalization of [N, channels, H, W]; `layer` is one group over all channels."""
    match name:
        case "none":
            return []
        case "batch":
            return [nn.BatchNorm2d(channels)]
        case "layer":
            return [nn.GroupNorm(1, channels)]
        case "group":
            return [nn.GroupNorm(groups_of(channels), channels)]
        case _:
            raise ValueError(f"no such normalization: {name}")


def groups_of(channels: int) -> int:
    """The most groups, up to 8, that divide the channels and leave four or more to each.

    A group of one normalizes to 0 where nothing but channels is left: in an MLP, or at 1×1.
    """
    most = min(8, max(1, channels // 4))
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


class Dropout(nn.Module):
    """Dropout whose masks come from a generator of its own, set by `seed_dropout`.

    Torch's own draws from the global stream, which folds and other trials would share.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep.div_(1 - self.p)


def drop(p: float) -> list[nn.Module]:
    return [Dropout(p)] if p > 0 else []


def seed_dropout(model: nn.Module, generator: Generator) -> None:
    """Let every dropout of the model draw from this generator."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator
