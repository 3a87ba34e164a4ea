"""Several models in one step: each has the curve that it would have alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from training.examples import MODELS, OPTIMIZERS, TASK, config, prepared

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.results import EpochResult, Precision
from autoencoder_hpo.training.stacked import StackedSteps
from autoencoder_hpo.training.steps import StepRequest, drive, together

LONG = TASK.model_copy(update={"epochs": 11})
BATCH = 20
STEPS = 11 * 5
"""The last of an epoch takes fewer images."""
LANES: list[dict[str, Any]] = [
    {"dropout": 0.3, "l1": 1e-5, "schedule": {"kind": "cosine", "warmup_epochs": 1}},
    {"dropout": 0.0, "gradient_clip": 0.1, "standardize": True},
    {"dropout": 0.1, "l2": 1e-4, "corruption": {"kind": "masking", "fraction": 0.4}},
    {"dropout": 0.5, "schedule": {"kind": "exponential", "rate": 0.2}},
]
RATES = [1.0, 0.5, 0.3, 0.7]
"""What each lane's learning rate is, of the optimizer's in the examples."""


def lane_config(number: int, model: str, normalization: str, optimizer: str) -> TrialConfig:
    changes = {**LANES[number]}
    style = {"normalization": normalization, "dropout": changes.pop("dropout")}
    base = OPTIMIZERS[optimizer]
    own = {**base, "learning_rate": RATES[number] * base["learning_rate"]}
    return config(
        model, model={**MODELS[model], **style}, optimizer=own, batch_size=BATCH, **changes
    )


def in_float64(trial: TrialConfig, number: int) -> Training:
    data = prepared(LONG)
    data = replace(
        data,
        train_clean=data.train_clean.double(),
        val_clean=data.val_clean.double(),
        val_noisy=data.val_noisy.double(),
    )
    run = Training(LONG, trial, data, seed=number)
    run.model.double()
    return run


def curve(run: Training) -> list[EpochResult]:
    while drive(run.advance()):
        pass
    return run.history


def whole(run: Training) -> Any:
    while (yield from run.advance()):
        pass


class Counted(StackedSteps):
    """Also knows how many models were trained in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []

    def _take(self, group: list[StepRequest]) -> list[Exception | None]:
        self.widths.append(len(group))
        return super()._take(group)


def difference(one: list[EpochResult], other: list[EpochResult]) -> float:
    """The largest relative difference of two curves."""
    pairs = [
        (getattr(a, name), getattr(b, name))
        for a, b in zip(one, other, strict=True)
        for name in ("train_loss", "val_mse")
    ]
    return max(abs(a - b) / abs(b) for a, b in pairs)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("model", "normalization"),
    [
        ("mlp", "batch"), ("mlp", "layer"), ("mlp", "none"), ("conv", "batch"), ("conv", "group"),
        ("unet", "batch"), ("unet", "group"), ("unet", "none"),
    ],
)  # fmt: skip
def test_every_lane_has_the_curve_that_it_has_alone(
    model: str, normalization: str, optimizer: str
) -> None:
    """Whatever differs between lanes. In float64, to 1e-8 after more than 50 steps."""
    configs = [lane_config(n, model, normalization, optimizer) for n in range(len(LANES))]
    alone = [curve(in_float64(trial, n)) for n, trial in enumerate(configs)]
    stack = [in_float64(trial, n) for n, trial in enumerate(configs)]
    take = Counted()
    drive(together([whole(run) for run in stack]), take)
    assert take.widths == [len(LANES)] * STEPS
    for run, own in zip(stack, alone, strict=True):
        assert difference(run.history, own) < 1e-8


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("model", "normalization"), [("mlp", "batch"), ("conv", "group"), ("unet", "batch")]
)
def test_in_single_and_half_precision_the_curves_agree_as_far_as_these_go(
    model: str, normalization: str, precision: Precision
) -> None:
    """The first epoch closely; rounding grows from there as it does between any two machines."""

    def fresh(number: int) -> Training:
        trial = lane_config(number, model, normalization, "adam")
        return Training(LONG, trial, prepared(LONG), seed=number, precision=precision)

    alone = [curve(fresh(n)) for n in range(3)]
    stack = [fresh(n) for n in range(3)]
    drive(together([whole(run) for run in stack]), StackedSteps())
    first, all_of_them = {"float32": (1e-4, 1e-2), "bfloat16": (1e-2, 0.1)}[precision]
    for run, own in zip(stack, alone, strict=True):
        assert difference(run.history[:1], own[:1]) < first
        assert difference(run.history, own) < all_of_them


def test_a_lane_that_ends_leaves_the_others_as_they_are() -> None:
    configs = [
        lane_config(n, "conv", "batch", "adam").model_copy(update={"epochs": epochs})
        for n, epochs in enumerate((3, 11, 5, 11))
    ]
    alone = [curve(in_float64(trial, n)) for n, trial in enumerate(configs)]
    stack = [in_float64(trial, n) for n, trial in enumerate(configs)]
    take = Counted()
    drive(together([whole(run) for run in stack]), take)
    assert take.widths == [4] * 15 + [3] * 10 + [2] * 30
    for run, own in zip(stack, alone, strict=True):
        assert difference(run.history, own) < 1e-8


def test_models_of_other_shapes_train_beside_the_stack() -> None:
    configs = [lane_config(n, "mlp", "batch", "adam") for n in range(3)]
    configs.append(lane_config(3, "unet", "none", "sgd"))
    alone = [curve(in_float64(trial, n)) for n, trial in enumerate(configs)]
    stack = [in_float64(trial, n) for n, trial in enumerate(configs)]
    take = Counted()
    drive(together([whole(run) for run in stack]), take)
    assert take.widths == [3, 1] * STEPS
    for run, own in zip(stack, alone, strict=True):
        assert difference(run.history, own) < 1e-8


def test_the_place_of_a_lane_does_not_matter() -> None:
    """Bit for bit, in float32."""
    trials = [lane_config(n, "unet", "batch", "adamw") for n in range(3)]
    orders = []
    for order in ([0, 1, 2], [2, 0, 1]):
        stack = {n: Training(LONG, trials[n], prepared(LONG), seed=n) for n in order}
        drive(together([whole(run) for run in stack.values()]), StackedSteps())
        orders.append([stack[n].history for n in range(3)])
    assert orders[0] == orders[1]


def test_a_lane_that_diverges_leaves_the_others_as_they_are() -> None:
    good = lane_config(0, "mlp", "none", "sgd")
    wild = {"kind": "sgd", "learning_rate": 10.0}
    bad = config(
        model=MODELS["mlp"] | {"output": "linear"}, optimizer=wild, l2=10.0, batch_size=BATCH
    )
    good = good.model_copy(update={"model": bad.model})
    alone = curve(in_float64(good, 0))
    stack = [in_float64(good, 0), in_float64(bad, 1)]
    drive(together([whole(run) for run in stack]), StackedSteps())
    assert not stack[1].history[-1].train_loss < 1e6
    assert difference(stack[0].history, alone) < 1e-8


def test_the_folds_of_a_cross_validation_are_a_stack() -> None:
    data = [prepared(), prepared(), prepared()]
    apart, n_fused = (
        build_training(TASK, config(), data, seed=3, best_by=Metric.VAL_PSNR) for _ in range(2)
    )
    assert isinstance(n_fused, FoldedTraining)
    take = Counted()
    results = list(apart)
    while drive(n_fused.advance(), take):
        pass
    assert set(take.widths) == {3}
    assert difference(n_fused.history, results) < 1e-3
    assert n_fused.scores().val_psnr == pytest.approx(apart.scores().val_psnr, rel=1e-4)


def test_a_state_saved_in_a_stack_goes_on_alone_and_is_no_larger() -> None:
    trials = [lane_config(n, "conv", "batch", "adam") for n in range(3)]
    stack = [in_float64(trial, n) for n, trial in enumerate(trials)]
    take = StackedSteps()
    for _ in range(4):
        drive(together([run.advance() for run in stack]), take)
    state = stack[1].state_dict()
    for tensor in state["model"].values():
        assert tensor.untyped_storage().nbytes() == tensor.nbytes
    again = in_float64(trials[1], 1)
    again.load_state_dict(state)
    assert difference(curve(again), curve(in_float64(trials[1], 1))) < 1e-8


def test_a_step_that_does_not_fit_in_memory_is_taken_one_by_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr("autoencoder_hpo.training.stacked.StackedStep.__call__", full)
    trials = [lane_config(n, "mlp", "batch", "adam") for n in range(2)]
    alone = [curve(in_float64(trial, n)) for n, trial in enumerate(trials)]
    stack = [in_float64(trial, n) for n, trial in enumerate(trials)]
    drive(together([whole(run) for run in stack]), StackedSteps())
    for run, own in zip(stack, alone, strict=True):
        assert difference(run.history, own) < 1e-8
    assert "2 models at once need too much memory; trained one by one" in caplog.text


def test_a_training_that_fails_leaves_the_others_going() -> None:
    def broken(run: Training) -> Any:
        try:
            yield from whole(run)
        except ValueError as error:
            return str(error)

    def fail(*_: object) -> None:
        raise ValueError("planted")

    stack = [Training(LONG, config(), prepared(LONG), seed=n) for n in range(2)]
    stack[0].model.register_forward_pre_hook(fail)
    results = drive(together([broken(run) for run in stack]))
    assert results == ["planted", None]
    assert stack[0].history == []
    assert len(stack[1].history) == LONG.epochs
