"""Pieces that every model uses: activations, normalization, padding, reproducible dropout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, assert_never

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from autoencoder_hpo.config import Activation, Normalization


class Style(TypedDict):
    """What every model is told of its layers."""

    activation: Activation
    normalization: Normalization
    dropout: float


ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activate(name: Activation) -> nn.Module:
    return ACTIVATIONS[name]()


def normalize_features(name: Normalization, features: int) -> list[nn.Module]:
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
        case _ as never:
            assert_never(never)


def normalize_channels(name: Normalization, channels: int) -> list[nn.Module]:
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
        case _ as never:
            assert_never(never)


def groups_of(channels: int) -> int:
    """The most groups, up to 8, that divide the channels and leave four or more to each.

    A group of one normalizes to 0 where nothing but channels is left: in an MLP, or at 1×1.
    """
    most = min(8, max(1, channels // 4))
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


def pad_to_multiple(x_NCHW: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples."""
    height, width = x_NCHW.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return x_NCHW
    return F.pad(x_NCHW, (0, right, 0, bottom), mode="replicate")


@dataclass(frozen=True, slots=True)
class Draws:
    """Where one model's dropout masks come from: the share that is dropped, and the stream."""

    p: float
    generator: Generator | None = None

    def keep(self, like: Tensor) -> Tensor:
        """A mask, scaled so that what is kept makes up for what is dropped.

        It is drawn in the order of [N, C, H, W] whatever the memory's layout, which differs
        between a model alone and one of several.
        """
        mask = torch.empty(like.shape, dtype=like.dtype, device=like.device)
        if self.p == 0:
            return mask.fill_(1)
        return mask.bernoulli_(1 - self.p, generator=self.generator).div_(1 - self.p)


class _Keep(torch.autograd.Function):
    """One mask for each model, also where `vmap` computes several models at once."""

    @staticmethod
    def forward(like: Tensor, draws: Sequence[Draws]) -> Tensor:
        (own,) = draws
        return own.keep(like)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None]:
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, like: Tensor, draws: Sequence[Draws]) -> tuple[Tensor, int]:
        models = like.movedim(in_dims[0], 0)
        return torch.stack([own.keep(x) for own, x in zip(draws, models, strict=True)]), 0


class Dropout(nn.Module):
    """Dropout whose masks come from generators of its own, set by `seed_dropout`.

    Torch's own draws from the global stream, which folds and other trials would share.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.draws: Sequence[Draws] = [Draws(p)]

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not any(own.p for own in self.draws):
            return x
        keep: Tensor = _Keep.apply(x, self.draws)
        return x * keep


def seed_dropout(model: nn.Module, draws: Sequence[Draws]) -> None:
    """Let every dropout of the model draw from these: one for each model that it computes."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.draws = draws
