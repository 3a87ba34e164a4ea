"""Every field of a trial changes its curve: alone, in a stack, and in what `health` reads.

What it does outlives a stop, and goes into a bundle.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from contracts.fields import Case, cases
from pydantic import Field
from torch import Tensor
from training.examples import TASK, images, stored
from training.test_stacked import curve, difference, whole

from autoencoder_hpo.bundle import BundleConfig
from autoencoder_hpo.bundle.config import config_text, parse_config
from autoencoder_hpo.bundle.denoiser import LoadedDenoiser
from autoencoder_hpo.bundle.weights import pack_weights, unpack_model
from autoencoder_hpo.config import Strict, TrialConfig
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.models import build_model
from autoencoder_hpo.training.health import examine
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.losses import COEFFICIENTS
from autoencoder_hpo.training.metrics import mse_per_image
from autoencoder_hpo.training.prepared import DeviceData, prepare
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.training.stacked import PER_MODEL, StackedSteps, is_per_model, shape_of
from autoencoder_hpo.training.steps import StepRequest, drive, eager_step, together

SHAPE = (1, 8, 8)
HERE = Path("bundle")
"""What a message would name: nothing is written."""

UNCHANGED = {
    "early_stopping": "ends a trial; who drives the training does that (tests/worker/test_trial.py)",
    "corruption.none.clip": "nothing leaves [0, 1]",
    "corruption.masking.clip": "nothing leaves [0, 1]",
    "corruption.salt_and_pepper.clip": "nothing leaves [0, 1]",
}
"""Fields that leave the curve as it is, and why."""
CASES = cases()
CHANGING = [case for case in CASES if case.path not in UNCHANGED]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Such images are not worth a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def data() -> DeviceData:
    return prepare(ImageSet(images(64, 1)), ImageSet(images(16, 2)), TASK, torch.device("cpu"))


def training(config: TrialConfig) -> Training:
    """In float64, in which curves of a stack agree with those alone far beyond any difference."""
    wide = {
        name: getattr(data(), name).double() for name in ("train_clean", "val_clean", "val_noisy")
    }
    run = Training(TASK, config, replace(data(), **wide), seed=5)
    run.model.double()
    return run


@cache
def alone(config: TrialConfig) -> list[EpochResult]:
    return curve(training(config))


def changes(config: TrialConfig, base: TrialConfig) -> bool:
    """Whether a config has a curve of its own, far beyond rounding."""
    own, other = alone(config), alone(base)
    if not all(result.finite for result in own):
        return False
    return len(own) != len(other) or difference(own, other) > 1e-6


def changed(case: Case) -> TrialConfig:
    """The first value with another curve."""
    for other in case.others:
        if changes(other, case.base):
            return other
    pytest.fail(
        f"{case.name} does not change the curve in {[_value(case, c) for c in case.others]}: "
        "does training use it? Values to try go into VALUES, what it needs beside it into "
        "TOGETHER (tests/contracts/fields.py), and a reason why not into UNCHANGED"
    )


def _value(case: Case, config: TrialConfig) -> Any:
    """What differs from the base."""
    one, other = case.base.model_dump(), config.model_dump()
    return {key: other[key] for key in other if one.get(key) != other[key]}


@pytest.mark.parametrize("case", CHANGING, ids=lambda case: case.name)
def test_every_field_changes_the_curve_alone_and_in_a_stack(case: Case) -> None:
    """Two models that share a value are there too: they are a stack where others are not."""
    configs = [case.base, *[changed(case)] * 2]
    stack = [training(config) for config in configs]
    drive(together([whole(run) for run in stack]), StackedSteps())
    for run, config in zip(stack, configs, strict=True):
        assert difference(run.history, alone(config)) < 1e-8
    assert max(run.n_fused for run in stack) > 1


# ---- after a stop, and in a bundle -----------------------------------------------------


@cache
def often_stopped(config: TrialConfig) -> Training:
    """Trained to its end, every epoch by another `Training` that knows the state alone."""
    run = training(config)
    while not run.finished:
        drive(run.advance())
        state = stored(run.state_dict())
        run = training(config)
        run.load_state_dict(state)
    return run


def bundled(run: Training) -> LoadedDenoiser:
    """The best epoch, as its bundle gives it back."""
    mean, std = float(run.model.mean), float(run.model.std)
    said = BundleConfig(
        study="tiny", trial=0, task=TASK, config=run.config, shape=SHAPE, mean=mean, std=std,
        low=0.0, high=1.0, versions={},
    )  # fmt: skip
    trained = build_model(run.config.model, SHAPE)
    trained.load_state_dict(run.best_weights)
    read = parse_config(config_text(said).encode(), HERE)
    model = unpack_model(pack_weights(trained), read, HERE)
    return LoadedDenoiser(read, model, torch.device("cpu"))


@pytest.mark.parametrize("case", CHANGING, ids=lambda case: case.name)
def test_every_field_goes_on_from_a_checkpoint_as_if_never_stopped(case: Case) -> None:
    """What a field remembers between steps is in `state_dict`, or drawn anew for every epoch."""
    config = changed(case)
    assert often_stopped(config).history == alone(config)


@pytest.mark.parametrize("case", CHANGING, ids=lambda case: case.name)
def test_a_bundle_restores_what_the_best_score_is_of(case: Case) -> None:
    """Whatever a field does in validation, a bundle's denoiser does as well."""
    run = often_stopped(changed(case))
    assert run.best is not None
    restored, clean = run.restore(), data().val_clean
    assert mse_per_image(restored, clean).mean().item() == pytest.approx(run.best.val_mse)
    again = bundled(run).restore(data().val_noisy)
    torch.testing.assert_close(again, restored.float().clamp(0, 1), rtol=0, atol=1e-5)


# ---- what may be stacked ---------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stack_has_in_common_all_but_what_is_listed(case: Case) -> None:
    """Parameters of a search are told apart as the fields are."""
    listed = case.field in PER_MODEL or case.field.split(".")[0] in PER_MODEL
    assert is_per_model(case.path) == listed
    here = shape_of(training(case.base).train_state)
    for other in case.others:
        assert (shape_of(training(other).train_state) == here) == listed


def test_a_field_that_is_forgotten_is_in_common() -> None:
    class Wider(TrialConfig):
        share: float = 0.25

    one, other = (
        Wider.model_validate({"model": {"kind": "mlp"}, "share": share}) for share in (0.25, 0.5)
    )
    assert shape_of(training(one).train_state) != shape_of(training(other).train_state)
    assert shape_of(training(one).train_state) == shape_of(training(one).train_state)
    assert not is_per_model("share")


def test_what_is_listed_are_fields() -> None:
    fields = {case.field for case in CASES}
    tops = {field.split(".")[0] for field in fields}
    assert PER_MODEL.keys() <= fields | tops
    assert set(COEFFICIENTS) <= tops


@pytest.mark.parametrize("path", UNCHANGED)
def test_what_is_said_to_change_nothing_does_not(path: str) -> None:
    listed = [case for case in CASES if case.path == path]
    assert listed, f"{path} is no field any more: take it out of UNCHANGED"
    assert not any(changes(other, case.base) for case in listed for other in case.others)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_health_reads_the_loss_that_a_step_lowers(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In evaluation mode, penalties included."""
    lowered: list[Tensor] = []
    backward = torch.autograd.backward

    def seen(total: Tensor) -> None:
        lowered.append(total.detach())
        backward(total)

    monkeypatch.setattr(torch.autograd, "backward", seen)
    index = torch.arange(16)
    noisy = (images(64, 1) + 0.1 * images(64, 3)).clamp(0, 1)
    pairs = replace(data(), train_noisy=noisy)
    config = next(iter(case.others), case.base)
    train_state = Training(TASK, config, pairs, seed=5).train_state
    train_state.corruption = None
    train_state.model.eval()
    found = examine(train_state.model, noisy[index], pairs.train_clean[index], config=config)
    eager_step(StepRequest(train_state, index, 1e-3))
    (total,) = lowered
    assert found.loss == pytest.approx(total.item(), rel=1e-5)


def test_a_field_of_a_type_that_nothing_is_known_of_is_not_passed_over() -> None:
    class Odd(TrialConfig):
        share: float = 0.25
        note: str = ""

    new = {case.name: case for case in cases(Odd) if case.name not in {c.name for c in CASES}}
    assert [config.share for config in new["share"].others][:2] == [0.125, 0.5]  # type: ignore[attr-defined]
    assert new.keys() == {"share", "note"}
    with pytest.raises(pytest.fail.Exception, match="note does not change the curve"):
        changed(new["note"])


def test_a_name_that_means_something_else_elsewhere_keeps_its_own_bounds() -> None:
    """`SMALL` has a width of 16, for models."""

    class Blur(Strict):
        kind: Literal["blur"]
        width: int = Field(ge=1, le=10)
        channels: float = Field(default=0.5, gt=0, lt=1)

    class Blurred(TrialConfig):
        blur: Blur | None = None

    found = {case.name: case.others for case in cases(Blurred) if case.name.startswith("blur")}
    assert found.keys() == {"blur.blur", "blur.blur.width", "blur.blur.channels"}
    assert all(found.values())
