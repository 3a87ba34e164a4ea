"""Losses and penalties by hand."""

import math

import pytest
import torch
from torch import nn

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.training.losses import Loss, loss_of, total_loss, with_tensors


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
def test_losses_by_hand(loss: str) -> None:
    config = TrialConfig.model_validate(
        {"model": {"kind": "mlp"}, "loss": loss, "huber_delta": 0.1}
    )
    restored, clean = torch.tensor([[0.5, 0.3]]), torch.tensor([[0.0, 0.35]])
    by_hand = {
        "mse": (0.25 + 0.0025) / 2,
        "l1": (0.5 + 0.05) / 2,
        "huber": (0.1 * (0.5 - 0.05) + 0.5 * 0.0025) / 2,
        "bce": (-math.log(0.5) - 0.35 * math.log(0.3) - 0.65 * math.log(0.7)) / 2,
    }
    assert float(loss_of(restored, clean, config)) == pytest.approx(by_hand[loss], rel=1e-5)


def of_one_output(weight: list[float]) -> nn.Linear:
    """A model of two inputs that gives 100 for black ones."""
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weight]))
        model.bias.fill_(100)
    return model


def loss_on_black(model: nn.Module, **penalties: float) -> Loss:
    config = TrialConfig.model_validate({"model": {"kind": "mlp"}, **penalties})
    return total_loss(model, torch.zeros(3, 2), torch.full((3, 1), 98.0), config)


def test_penalties_by_hand() -> None:
    """Of weights, not of biases; reported is the loss without."""
    loss = loss_on_black(of_one_output([3.0, -4.0]), l1=0.1, l2=0.01)
    assert loss.reconstruction.item() == pytest.approx(4)
    assert loss.total.item() == pytest.approx(4 + 0.7 + 0.25)


def test_penalties_of_0_are_not_computed() -> None:
    """They would be 0 times infinity."""
    model = of_one_output([3e30, 0.0])
    assert loss_on_black(model).total.item() == pytest.approx(4)
    assert not loss_on_black(model, l2=1e-30).total.isfinite()


def test_other_weights_are_the_models_as_long_as_the_function_runs() -> None:
    model = of_one_output([3.0, -4.0])
    own = {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
    other = {name: (2 * tensor).requires_grad_() for name, tensor in own.items()}
    loss = with_tensors(model, other, lambda model: loss_on_black(model, l1=0.1))
    assert loss.total.item() == pytest.approx((200 - 98) ** 2 + 1.4)
    slopes = torch.autograd.grad(loss.total, list(other.values()))
    torch.testing.assert_close(slopes[0], torch.tensor([[0.1, -0.1]]))
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.named_parameters())
    assert [name for name, _ in model.named_modules()] == [""]


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
def test_losses_are_float32_whatever_the_model_computes_in(loss: str) -> None:
    config = TrialConfig.model_validate({"model": {"kind": "mlp"}, "loss": loss})
    restored = torch.rand(2, 3).bfloat16()
    assert loss_of(restored, torch.rand(2, 3), config).dtype == torch.float32
