"""The eager step: one optimizer step that gives its loss and waits for nothing."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from training.examples import OPTIMIZERS, config, prepared, training

from autoencoder_hpo.training.steps import StepRequest, TrainState, drive, eager_step


def linear() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(3, 3)


class Ones(TrainState):
    """Four images of ones that should become zeros."""

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones(4, 3), torch.zeros(4, 3)


def one_step(model: nn.Module, **changes: Any) -> Tensor:
    """The loss of one step, times the number of images."""
    train_state = Ones(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=99.0),
        config=config(**changes),
        corruption=None,
        data=prepared(),
        precision="float32",
        noise=torch.Generator(),
        dropout=torch.Generator(),
    )
    eager_step(StepRequest(train_state, torch.arange(4), lr=0.1))
    (loss,) = train_state.losses
    return loss


def test_a_step_by_hand() -> None:
    model, twin = linear(), linear()
    loss = one_step(model)
    by_hand = twin(torch.ones(4, 3)).square().mean()
    by_hand.backward()
    assert loss.shape == (1,)
    assert not loss.requires_grad
    assert loss.item() == pytest.approx(4 * by_hand.item())
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours, theirs - 0.1 * theirs.grad)


def test_penalties_move_the_weights_but_are_not_in_the_loss() -> None:
    plain, penalized = linear(), linear()
    assert torch.equal(one_step(plain), one_step(penalized, l2=0.5, l1=0.25))
    before = copy.deepcopy(linear().state_dict())
    pull = before["weight"] * 2 * 0.5 + before["weight"].sign() * 0.25
    torch.testing.assert_close(penalized.weight, plain.weight - 0.1 * pull)
    assert torch.equal(penalized.bias, plain.bias)


def test_the_gradient_is_clipped() -> None:
    model = linear()
    one_step(model, gradient_clip=0.01)
    moved = torch.cat(
        [(a - b).flatten() for a, b in zip(model.parameters(), linear().parameters(), strict=True)]
    )
    assert moved.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


class Syncs(TorchDispatchMode):
    """Counts reads of a tensor's value by Python, each of which waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("model", ["mlp", "conv", "unet"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_epoch_reads_its_loss_once(model: str, optimizer: str) -> None:
    trial = config(model, optimizer=OPTIMIZERS[optimizer], gradient_clip=0.5, l1=1e-4, l2=1e-4)
    run = training(trial)
    with Syncs() as syncs:
        drive(run._train())
    assert syncs.count == 1
