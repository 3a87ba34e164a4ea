"""Losses and penalties by hand."""

import math

import pytest
import torch
from torch import nn

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.training.losses import loss_of, penalty, weights


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


def test_penalties_by_hand() -> None:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, -4.0]]))
        model.bias.fill_(100)
    total = penalty(weights(model), l1=0.1, l2=0.01)
    assert total.item() == pytest.approx(0.7 + 0.25)
    assert penalty(weights(model), l1=0, l2=0) == 0


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
def test_losses_are_float32_whatever_the_model_computes_in(loss: str) -> None:
    config = TrialConfig.model_validate({"model": {"kind": "mlp"}, "loss": loss})
    restored = torch.rand(2, 3).bfloat16()
    assert loss_of(restored, torch.rand(2, 3), config).dtype == torch.float32
