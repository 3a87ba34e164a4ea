"""How a trained model is inside: units that do nothing, the slope of its loss, what it loses.

Looked at once, when a trial ends; why a trial does not get better is read from it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.models.layers import ACTIVATIONS
from autoencoder_hpo.training.folds import FoldedTraining
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.losses import total_loss, with_tensors
from autoencoder_hpo.training.metrics import mse_per_image
from autoencoder_hpo.training.results import Health

IMAGES, LEAST_IMAGES = 64, 16
"""Validation images that are looked at: so many, fewer where they are large."""
VALUES = 2**14
"""Values (C·H·W each image) of them all, roughly."""
CONSTANT = 1e-3
"""A unit whose values differ by less than this part of its layer's largest one tells nothing."""
FLAT = 0.05
"""Where the slope of tanh or sigmoid is below this part of its steepest, hardly anything is
learned."""


@dataclass(slots=True)
class Units:
    """What the activations gave, layer by layer."""

    dead_U: list[Tensor] = field(default_factory=list)
    saturated: list[tuple[int, int]] = field(default_factory=list)
    """Flat values and all values."""

    @torch.no_grad()
    def see(self, layer: nn.Module, _: object, output: Tensor) -> None:
        """A forward hook; units are the channels of [N, U] or [N, U, H, W]."""
        values_UM = output.detach().transpose(0, 1).flatten(1)
        spread_U = values_UM.amax(1) - values_UM.amin(1)
        self.dead_U.append(spread_U <= CONSTANT * values_UM.abs().max())
        if isinstance(layer, nn.Tanh | nn.Sigmoid):
            self.saturated.append((int(_is_flat(layer, values_UM).sum()), values_UM.numel()))


def health_of(training: Training | FoldedTraining) -> Health:
    """Of its best epoch, by some validation images; of folds, the first."""
    first = training.trainings[0] if isinstance(training, FoldedTraining) else training
    noisy, clean = first.data.val_noisy, first.data.val_clean
    number = min(len(clean), max(LEAST_IMAGES, min(IMAGES, VALUES // clean[0].numel())))
    some = torch.linspace(0, len(clean) - 1, number).long()
    return examine(
        first.model, noisy[some], clean[some], config=first.config, weights=first.best_weights
    )


def examine(
    model: nn.Module,
    noisy_NCHW: Tensor,
    clean_NCHW: Tensor,
    *,
    config: TrialConfig,
    weights: Mapping[str, Tensor] | None = None,
) -> Health:
    """Look into a model, and leave it as it was: mode, weights, gradients and hooks.

    Nothing random is drawn. All is computed in float32, whatever the model was trained in.

    Args:
        config: what it was trained with; says what its loss is.
        weights: a `state_dict` to look at in place of the model's own.
    """
    state = {name: tensor.detach() for name, tensor in (weights or model.state_dict()).items()}
    learned = {name: state[name].requires_grad_() for name, _ in model.named_parameters()}
    units = Units()
    with _in_evaluation(model):
        with _seen_by(units, model), torch.enable_grad():
            loss = with_tensors(
                model, state, lambda model: total_loss(model, noisy_NCHW, clean_NCHW, config)
            ).total
            gradients = torch.autograd.grad(loss, list(learned.values()))
        with torch.no_grad():
            clean_mse = mse_per_image(functional_call(model, state, (clean_NCHW,)), clean_NCHW)
    return Health(
        images=len(clean_NCHW),
        loss=_number(loss),
        gradient_norm=_number(_norm(gradients)),
        weight_norm=_number(_norm(list(learned.values()))),
        clean_mse=_number(clean_mse.mean()),
        dead=_share([(int(dead.sum()), len(dead)) for dead in units.dead_U]),
        dead_layer=max((float(dead.float().mean()) for dead in units.dead_U), default=0.0),
        saturated=_share(units.saturated) if units.saturated else None,
        saturated_layer=max((flat / all_ for flat, all_ in units.saturated), default=None),
    )


@contextmanager
def _in_evaluation(model: nn.Module) -> Iterator[None]:
    was = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in was:
            module.training = training


@contextmanager
def _seen_by(units: Units, model: nn.Module) -> Iterator[None]:
    kinds = tuple(kind for kind in ACTIVATIONS.values() if isinstance(kind, type))
    hooks = [
        module.register_forward_hook(units.see)
        for module in model.modules()
        if isinstance(module, kinds)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_flat(layer: nn.Tanh | nn.Sigmoid, values: Tensor) -> Tensor:
    """By the derivative as a function of the value: 1 - a² of tanh, 4·a·(1 - a) of sigmoid."""
    slope = 1 - values.square() if isinstance(layer, nn.Tanh) else 4 * values * (1 - values)
    return slope < FLAT


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach().norm() for tensor in tensors]).norm()


def _share(counts: Sequence[tuple[int, int]]) -> float:
    return sum(some for some, _ in counts) / max(1, sum(every for _, every in counts))


def _number(value: Tensor) -> float | None:
    """With six digits."""
    found = value.item()
    return float(f"{found:.6g}") if math.isfinite(found) else None
