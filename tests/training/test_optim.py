"""Schedules against torch's own and hand-computed numbers; optimizers."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR

from autoencoder_hpo.config import OptimizerConfig, ScheduleConfig
from autoencoder_hpo.training.optim import build_optimizer, learning_rate

TESTS = Path(__file__).parent.parent


def rates(
    epochs: int, steps: int, val_mse: list[float] | None = None, **fields: Any
) -> list[float]:
    schedule: ScheduleConfig = TypeAdapter(ScheduleConfig).validate_python(fields)
    return [
        learning_rate(
            schedule,
            1.0,
            step=step,
            steps_per_epoch=steps,
            epochs=epochs,
            val_mse=(val_mse or [])[: step // steps],
        )
        for step in range(epochs * steps)
    ]


def of_torch(make: Any, number: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    found = []
    for _ in range(number):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_constant() -> None:
    assert rates(2, 3, kind="constant") == [1.0] * 6


def test_step_is_torchs() -> None:
    ours = rates(7, 1, kind="step", every=2, factor=0.3)
    assert ours == pytest.approx(of_torch(lambda o: StepLR(o, 2, 0.3), 7))


def test_cosine_is_torchs() -> None:
    ours = rates(5, 4, kind="cosine", floor=0.1)
    theirs = of_torch(lambda o: CosineAnnealingLR(o, 20, eta_min=0.1), 20)
    assert ours == pytest.approx(theirs)


def test_one_cycle_peaks_where_torchs_does() -> None:
    ours = rates(10, 10, kind="one_cycle", rise=0.3)
    theirs = of_torch(lambda o: OneCycleLR(o, 1.0, total_steps=101, pct_start=0.3), 100)
    assert ours[0] == pytest.approx(1 / 25)
    assert max(ours) == pytest.approx(1.0)
    assert ours == pytest.approx(theirs, abs=0.03)


def test_exponential_decays_after_its_start_epoch() -> None:
    """The literature's: constant until epoch 50, then exp(-0.01) an epoch."""
    ours = rates(53, 1, kind="exponential", start_epoch=50, rate=0.01)
    assert ours[:50] == [1.0] * 50
    assert ours[50:] == pytest.approx([math.exp(-0.01), math.exp(-0.02), math.exp(-0.03)])


def test_cosine_warms_up() -> None:
    ours = rates(4, 2, kind="cosine", warmup_epochs=1.5)
    assert ours[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_plateau_drops_after_patience() -> None:
    seen = [5.0, 4.0, 4.0, 4.1, 4.2, 3.0, 3.1, 3.2, 3.3]
    ours = rates(9, 1, seen, kind="plateau", patience=2, factor=0.5)
    assert ours == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "rmsprop"])
def test_weight_decay_spares_biases_and_normalizations(kind: str) -> None:
    config: OptimizerConfig = TypeAdapter(OptimizerConfig).validate_python(
        {"kind": kind, "learning_rate": 0.1, "weight_decay": 0.5}
    )
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    optimizer = build_optimizer(config, model)
    for group in optimizer.param_groups:
        assert group["weight_decay"] == (0.5 if group["params"][0].ndim > 1 else 0.0)
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert moved == [p.ndim > 1 for p in before]


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateau_is_torchs(patience: int) -> None:
    random = torch.Generator().manual_seed(patience)
    seen = torch.rand(30, generator=random).tolist()
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.7, patience=patience, threshold=0)
    theirs = []
    for value in seen:
        theirs.append(optimizer.param_groups[0]["lr"])
        scheduler.step(value)
    assert rates(30, 1, seen, kind="plateau", patience=patience, factor=0.7) == pytest.approx(
        theirs
    )


def test_one_cycle_by_hand() -> None:
    ours = rates(4, 5, kind="one_cycle", rise=0.5)
    assert ours[0] == pytest.approx(0.04)
    assert ours[5] == pytest.approx((0.04 + 1) / 2)
    assert ours[10] == pytest.approx(1.0)
    assert ours[15] == pytest.approx((1 + 1e-4) / 2)


STOCK = {
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.1, fused=True),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1, weight_decay=0.5, fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, fused=True),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.1),
}
OURS: dict[str, dict[str, float]] = {"adamw": {"weight_decay": 0.5}, "sgd": {"momentum": 0.9}}


@pytest.mark.parametrize("kind", STOCK)
def test_steps_are_those_of_the_stock_optimizer(kind: str) -> None:
    config: OptimizerConfig = TypeAdapter(OptimizerConfig).validate_python(
        {"kind": kind, "learning_rate": 0.1, **OURS.get(kind, {})}
    )
    ours, theirs = (nn.Linear(3, 2, bias=False) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    sides = [(ours, build_optimizer(config, ours)), (theirs, STOCK[kind](theirs.parameters()))]
    for model, optimizer in sides:
        for step in range(5):
            optimizer.zero_grad(set_to_none=True)
            (model(torch.full((1, 3), 1.0 + step)) ** 2).sum().backward()
            optimizer.step()
            if step == 2:  # as a checkpoint does
                optimizer.load_state_dict(optimizer.state_dict())
    assert torch.equal(ours.weight, theirs.weight)


def test_a_training_never_imports_the_compiler() -> None:
    """Its import takes longer than a small trial's epoch."""
    program = (
        "import sys; from training.examples import saved_midway, training; "
        "saved_midway(training()); sys.exit('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=TESTS, check=False)
    assert done.returncode == 0
