"""What is read of a trained model, and that reading it changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from training.examples import MODELS, TASK, config, images, prepared, training

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.models import build_model
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.health import examine, health_of
from autoencoder_hpo.training.losses import loss_of
from autoencoder_hpo.training.results import Health

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid")
CLEAN = images(24, 3)
NOISY = (CLEAN + 0.2 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(0))).clamp(
    0, 1
)


def of_kind(kind: str, **style: Any) -> TrialConfig:
    return config(kind, model={**MODELS[kind], **style})


def built(trial: TrialConfig) -> nn.Module:
    torch.manual_seed(0)
    return build_model(trial.model, (1, 8, 8))


def looked_at(model: nn.Module, trial: TrialConfig) -> Health:
    return examine(model, NOISY, CLEAN, config=trial)


def linears(model: nn.Module) -> Iterator[nn.Linear]:
    return (module for module in model.modules() if isinstance(module, nn.Linear))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "group"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_model_is_examined_and_left_as_it_was(
    kind: str, normalization: str, activation: str
) -> None:
    trial = of_kind(kind, activation=activation, normalization=normalization, dropout=0.5)
    model = built(trial).train()
    model(NOISY).sum().backward()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    slopes = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    random = torch.get_rng_state()

    found = looked_at(model, trial)
    assert found == looked_at(model, trial)
    assert all(0 <= share <= 1 for share in (found.dead, found.dead_layer))
    assert (found.saturated is not None) == (activation in ("tanh", "sigmoid"))
    assert found.gradient_norm
    assert found.clean_mse is not None

    assert model.training
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(p.grad, slopes[name]) for name, p in model.named_parameters() if p.grad is not None)  # fmt: skip
    assert all(p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_that_fails_keeps_no_hooks_and_its_mode() -> None:
    trial = of_kind("mlp")
    model = built(trial).train()
    with pytest.raises(RuntimeError):
        examine(model, NOISY[..., :5], CLEAN, config=trial)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
def test_the_gradient_is_that_of_the_loss(loss: str) -> None:
    trial = config("mlp", model=MODELS["mlp"], loss=loss, l2=0.01)
    model = built(trial)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    total = loss_of(model(NOISY), CLEAN, trial) + 0.01 * sum(m.square().sum() for m in matrices)
    total.backward()  # type: ignore[union-attr, no-untyped-call]
    norm = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm()
    found = looked_at(model, trial)
    assert found.gradient_norm == pytest.approx(float(norm), rel=1e-4)
    assert found.loss == pytest.approx(total.item(), rel=1e-4)
    assert found.clean_mse == pytest.approx((model(CLEAN) - CLEAN).square().mean().item(), rel=1e-4)


def test_dead_units_are_counted() -> None:
    """A whole layer of three, and a quarter of another one."""
    trial = of_kind("mlp", depth=1, width=32, latent=16, activation="relu")
    model = built(trial)
    first, _, last, _ = linears(model)
    with torch.no_grad():
        first.weight[:8], first.bias[:8] = 0, -1
        last.weight[:], last.bias[:] = 0, 0.5  # constant is as dead as 0
    found = looked_at(model, trial)
    assert found.dead_layer == 1
    assert found.dead >= (8 + 32) / 64
    assert looked_at(built(trial), trial).dead < 0.2


def test_a_channel_is_dead_where_all_its_pixels_are() -> None:
    trial = of_kind("conv", channels=4)
    model = built(trial)
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    alive = looked_at(model, trial)
    with torch.no_grad():
        first.weight[:2], first.bias[:2] = 0, -1  # type: ignore[index]
    assert looked_at(model, trial).dead_layer >= 0.5
    assert looked_at(model, trial).dead > alive.dead


def test_a_channel_that_sees_something_somewhere_is_alive() -> None:
    """Above, all images are black, and every pixel there the same."""
    trial = of_kind("conv", activation="elu")
    model, below = built(trial), NOISY.clone()
    below[..., :4, :] = 0
    assert examine(model, below, CLEAN, config=trial).dead == looked_at(model, trial).dead == 0


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_saturated_values_are_counted(activation: str) -> None:
    trial = of_kind("mlp", activation=activation)
    model = built(trial)
    gentle = looked_at(model, trial)
    with torch.no_grad():
        next(linears(model)).weight.mul_(1000)
    found = looked_at(model, trial)
    assert gentle.saturated is not None
    assert gentle.saturated < 0.3
    assert found.saturated_layer is not None
    assert found.saturated_layer > 0.95


def test_a_training_is_examined_at_its_best_epoch_and_goes_on_as_it_would_have() -> None:
    whole, seen = training(), training()
    list(whole)
    for result in seen:
        if result.epoch == 2:
            health_of(seen)
    assert seen.history == whole.history

    best = {name: tensor.clone() for name, tensor in seen.state_dict()["best"].items()}
    found = health_of(seen)
    with torch.no_grad():
        for parameter in seen.model.parameters():
            parameter.zero_()
    assert health_of(seen) == found
    assert all(torch.equal(best[k], v) for k, v in seen.state_dict()["best"].items())
    assert not any(tensor.requires_grad for tensor in seen.state_dict()["best"].values())


def test_of_folds_the_first_is_examined() -> None:
    folded = build_training(TASK, config(), [prepared(), prepared()], seed=3)
    assert isinstance(folded, FoldedTraining)
    list(folded)
    assert health_of(folded) == health_of(folded.trainings[0])
    assert health_of(folded) != health_of(folded.trainings[1])


def test_a_model_that_gives_no_numbers_has_none() -> None:
    trial = of_kind("mlp", output="linear")
    model = built(trial)
    with torch.no_grad():
        model.net.out.bias.fill_(float("nan"))  # type: ignore[union-attr, operator]
    found = looked_at(model, trial)
    assert found.clean_mse is None
    assert found.gradient_norm is None
