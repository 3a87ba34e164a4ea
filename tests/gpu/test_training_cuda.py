"""Training on a GPU; skipped where there is none. Run there: python -m pytest -n 0 tests/gpu"""

import io
from itertools import islice
from typing import Any

import pytest
import torch

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.training.devices import choose_device
from autoencoder_hpo.training.graphed import GraphedSteps
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import prepare
from autoencoder_hpo.training.steps import StepRequest, Steps, drive, eager_step, together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

TASK = Task.model_validate(
    {"data": {"dataset": "digits"}, "corruption": {"kind": "gaussian", "sigma": 0.2}, "epochs": 3}
)


def training(
    model: str, device: str = "cuda", precision: str | None = None, **changes: Any
) -> Training:
    place = choose_device(device)
    images = ImageSet(torch.rand(200, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    data = prepare(images, images, TASK, place)
    style = {"depth": 1, "dropout": 0.1, "output": "sigmoid"}  # residual starts as the identity
    config = TrialConfig.model_validate({"model": {"kind": model, **style}, **changes})
    return Training(TASK, config, data, seed=0, precision=precision or choose_precision(place))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["mlp", "conv", "unet"])
def test_it_learns_in_bfloat16(model: str) -> None:
    results = list(training(model))
    assert results[-1].val_mse < results[0].val_mse


@pytest.mark.parametrize("model", ["mlp", "conv", "unet"])
def test_it_agrees_with_the_cpu_before_noise_differs(model: str) -> None:
    """The validation noise is the CPU's; weights begin the same on both."""
    here, there = training(model, "cpu", "float32"), training(model, "cuda", "float32")
    assert torch.equal(here.data.val_noisy, there.data.val_noisy.cpu())
    assert here._validate() == pytest.approx(there._validate(), rel=1e-3)


def test_a_stopped_training_goes_on() -> None:
    whole = list(training("mlp"))
    first = training("mlp")
    begun = list(islice(first, 2))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = training("mlp")
    second.load_state_dict(torch.load(file, weights_only=True))
    for one, other in zip(begun + list(second), whole, strict=True):
        assert one.val_mse == pytest.approx(other.val_mse, rel=1e-3)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("model", ["mlp", "conv", "unet"])
def test_a_step_waits_for_nothing(model: str) -> None:
    run = training(model)
    step = StepRequest(run.train_state, torch.arange(64, device=run.data.device), 1e-3)
    eager_step(step)  # the first one builds the optimizer's state
    torch.cuda.set_sync_debug_mode("error")
    try:
        eager_step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def alone(seed: int, model: str, precision: str = "float32") -> Training:
    run = training(model, precision=precision)
    run.seed = seed
    return run


def to_the_end(run: Training) -> Steps[None]:
    while (yield from run.advance()):
        pass


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", ["mlp", "conv", "unet"])
@pytest.mark.parametrize("models", [1, 4])
def test_a_graph_has_the_curve_of_eager_steps(
    models: int, model: str, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of one model, and of several at once."""
    eager = [alone(seed, model, precision) for seed in range(models)]
    graphed = [alone(seed, model, precision) for seed in range(models)]
    for run in eager:
        drive(to_the_end(run))
    drive(together([to_the_end(run) for run in graphed]), GraphedSteps())
    assert "no CUDA graph" not in caplog.text
    for one, other in zip(eager, graphed, strict=True):
        for a, b in zip(one.history, other.history, strict=True):
            assert b.train_loss == pytest.approx(a.train_loss, rel=5e-2)
            assert b.val_mse == pytest.approx(a.val_mse, rel=5e-2)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_can_be_captured(optimizer: str, caplog: pytest.LogCaptureFixture) -> None:
    run = training("conv", precision="float32", optimizer={"kind": optimizer})
    drive(to_the_end(run), GraphedSteps())
    assert "no CUDA graph" not in caplog.text
    assert run.finished
