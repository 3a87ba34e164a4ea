"""What every kind of model promises, whoever adds it: shapes, outputs, fields, stacks, words.

Where a pixel's neighbours end, and what follows for tiles, is in `test_model_geometry`; that
ONNX and bundles restore the same is tested for every kind in `tests/bundle`.
"""

import ast
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from bundles import MODELS
from contracts.model_kinds import (
    CLASSES,
    EVERY,
    KINDS,
    OWN,
    SHAPES,
    STYLE,
    kind_config,
    lively,
    loaded,
    name_of,
    refusal,
    usual,
)
from pydantic import TypeAdapter, ValidationError
from torch import Generator, Tensor
from training.examples import OPTIMIZERS, TASK, prepared

from autoencoder_hpo.config import (
    Activation,
    ModelBase,
    ModelConfig,
    Normalization,
    Output,
    TrialConfig,
)
from autoencoder_hpo.models import Denoiser, Draws, build_model, count_parameters, seed_dropout
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.stacked import StackedSteps
from autoencoder_hpo.training.steps import drive, together

PACKAGE = Path(__file__).parent.parent.parent / "autoencoder_hpo"
KNOW_KINDS = {"config/__init__.py", "config/model.py", "models/build.py"}
"""The only modules that may name a kind of model; the first only passes the names on."""
MEMBERS = sorted(ModelBase.__abstractmethods__)
SMALL = (1, 8, 8)

every = pytest.mark.parametrize(("kind", "change"), EVERY, ids=name_of)
own = pytest.mark.parametrize(("kind", "change"), OWN, ids=name_of)


# ---- one home --------------------------------------------------------------------------


def test_every_model_is_in_the_union() -> None:
    here = PACKAGE.name + "."
    assert {cls for cls in ModelBase.__subclasses__() if cls.__module__.startswith(here)} == set(
        CLASSES
    )


def test_nothing_of_a_model_is_a_default_that_a_new_kind_falls_into() -> None:
    own = {name for name in vars(ModelBase) if not name.startswith("_")}
    inherited = {"model_config", "model_fields", "model_computed_fields"}
    assert own - set(MEMBERS) - set(ModelBase.model_fields) - inherited == set()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_kind_that_forgets_a_member_is_refused(member: str) -> None:
    cls = CLASSES[0]
    forgetful = type(cls)("Forgetful", (cls,), {member: vars(ModelBase)[member]})
    given = {"kind": next(iter(KINDS))}
    TypeAdapter(cls).validate_python(given)
    with pytest.raises(TypeError, match=member):
        TypeAdapter(forgetful).validate_python(given)


def askers(source: str) -> list[int]:
    """Lines that ask which kind a model is: a class named, a kind compared with."""
    classes, kinds = {cls.__name__ for cls in CLASSES}, set(KINDS)
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(names=names):
                asks = any(alias.name in classes for alias in names)
            case ast.Attribute(attr=name):
                asks = name in classes
            case ast.Compare() | ast.MatchValue() | ast.Subscript():
                asks = _names_a_kind(node, kinds)
            case ast.Dict(keys=keys):
                asks = any(_names_a_kind(key, kinds) for key in keys if key is not None)
            case _:
                asks = False
        if asks:
            lines.append(node.lineno)  # type: ignore[attr-defined]
    return lines


def _names_a_kind(node: ast.AST, kinds: set[str]) -> bool:
    return any(isinstance(n, ast.Constant) and n.value in kinds for n in ast.walk(node))


def test_no_other_module_asks_which_kind_a_model_is() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := askers(path.read_text()))
    }
    assert set(found) == KNOW_KINDS, found


@pytest.mark.parametrize(
    "line",
    [
        "from autoencoder_hpo.config import Task, MlpConfig",
        "isinstance(model, config.UnetConfig)",
        "model.kind == 'mlp'",
        "model.kind in ('conv', 'unet')",
        "WIDEST = {'mlp': 1, 'conv': 2}",
        "size = WIDEST['mlp']",
        "match kind:\n    case 'mlp': pass",
    ],
)
def test_asking_would_be_seen(line: str) -> None:
    assert askers(line)


def test_proposing_a_kind_is_not_asking() -> None:
    assert not askers("change = {'kind': 'unet', 'depth': 1}")


# ---- what a study file says ------------------------------------------------------------


@every
def test_it_comes_back_from_yaml_and_json(kind: str, change: dict[str, Any]) -> None:
    config = kind_config(kind, **change)
    plain = config.model_dump(mode="json")
    again: list[Any] = [yaml.safe_load(yaml.safe_dump(plain)), plain]
    assert [TypeAdapter(ModelConfig).validate_python(given) for given in again] == [config] * 2
    assert TypeAdapter(ModelConfig).validate_json(config.model_dump_json()) == config


def answer(config: ModelConfig) -> tuple[dict[str, Any], Tensor]:
    """Of a model in training: the shapes of its weights, and what it makes of some images."""
    model = lively(config, SMALL).train()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return shapes, model(torch.rand(5, *SMALL).double())


@pytest.mark.parametrize(("kind", "change"), [e for e in EVERY if e[1]], ids=name_of)
def test_every_field_changes_the_model(kind: str, change: dict[str, Any]) -> None:
    before, after = answer(kind_config(kind)), answer(kind_config(kind, **change))
    assert before[0] != after[0] or not torch.allclose(before[1], after[1])


@pytest.mark.parametrize("kind", KINDS)
def test_what_would_help_is_a_field_that_does(kind: str) -> None:
    config = kind_config(kind)
    assert (config.wider is None) == (config.bottleneck(SMALL) is None)
    for remedy in filter(None, (config.larger, config.wider)):
        assert f"({remedy.field})" in remedy.advice or remedy.field in remedy.advice
        more = kind_config(kind, **{remedy.field: 2 * getattr(config, remedy.field)})
        before, after = (count_parameters(build_model(c, SMALL)) for c in (config, more))
        assert after > before
        with pytest.raises(ValidationError, match="less than or equal"):
            kind_config(kind, **{remedy.field: 10**12})
        if remedy == config.wider:
            assert (more.bottleneck(SMALL) or 0) > (config.bottleneck(SMALL) or 0)


@pytest.mark.parametrize("kind", KINDS)
def test_its_words_have_an_article(kind: str) -> None:
    assert re.fullmatch(r"an? \w.*", kind_config(kind).words)


# ---- shapes ----------------------------------------------------------------------------


@own
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_takes_the_shapes_that_it_claims(
    kind: str, change: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    config = kind_config(kind, **change)
    if (why := refusal(config, shape)) is not None:
        with pytest.raises(ValueError, match=re.escape(why)):
            build_model(config, shape)
        assert "\n" not in why
        remedied(why, config).check(shape)
        return
    restored = build_model(config, shape)(torch.rand(2, *shape))
    assert restored.shape == (2, *shape)
    assert restored.isfinite().all()


def remedied(message: str, config: ModelConfig) -> ModelConfig:
    """The config that a refusal proposes."""
    if other := re.search(r"use kind: (\w+)", message):
        return kind_config(other[1])
    lower = re.search(r"(\w+) may be (\d+) at most", message)
    assert lower is not None, f"says no remedy: {message}"
    return kind_config(config.kind, **{lower[1]: int(lower[2])})


@own
def test_it_takes_what_needs_no_padding(kind: str, change: dict[str, Any]) -> None:
    config = kind_config(kind, **change)
    for channels, high, wide in product((1, 3), (1, 2, 5), (1, 2, 5)):
        height, width = high * config.multiple, wide * config.multiple
        if min(height, width) > 1:
            config.check((channels, height, width))


@own
def test_a_size_is_claimed_only_by_what_takes_no_other(kind: str, change: dict[str, Any]) -> None:
    """Images of a size of its own are never cut into tiles."""
    config = kind_config(kind, **change)
    for channels, height, width in ((1, 8, 8), (3, 9, 11)):
        size = config.size((channels, height, width))
        model = build_model(config, (channels, height, width)).eval()
        for high, wide in ((2 * height, 2 * width), (height, 2 * width), (height - 1, width)):
            other = torch.rand(1, channels, high, wide)
            if size is None:
                assert model(other).shape == other.shape
                continue
            assert size == (height, width)
            with pytest.raises((RuntimeError, ValueError)):
                model(other)


# ---- styles ----------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", get_args(Normalization))
@pytest.mark.parametrize("kind", KINDS)
def test_every_style_trains_and_restores(kind: str, normalization: str) -> None:
    for activation in get_args(Activation):
        style = {"normalization": normalization, "activation": activation, "dropout": 0.2}
        model = build_model(kind_config(kind, **style), SMALL)
        seed_dropout(model, [Draws(0.2, Generator().manual_seed(0))])
        images = torch.rand(4, *SMALL)
        model(images).sum().backward()
        assert all(p.grad is not None for p in model.parameters())
        model.eval()
        assert torch.equal(model(images), model(images))


@pytest.mark.parametrize("normalization", get_args(Normalization))
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_restored_as_it_is_among_others(kind: str, normalization: str) -> None:
    """In evaluation, as built and as a bundle gives it."""
    config = kind_config(kind, **{**STYLE, "normalization": normalization})
    images = torch.rand(4, *SMALL, generator=Generator().manual_seed(0)) * torch.tensor(
        [0.1, 0.4, 0.7, 1.0]
    ).reshape(-1, 1, 1, 1)
    model, bundle = lively(config, SMALL), loaded(config, SMALL)
    with torch.no_grad():
        alone = torch.cat([model(image) for image in images.double().split(1)])
        torch.testing.assert_close(model(images.double()), alone, rtol=0, atol=1e-10)
    alone = torch.cat([bundle.restore(image) for image in images.split(1)])
    assert alone.std() > 1e-3
    torch.testing.assert_close(bundle.restore(images), alone, rtol=0, atol=1e-5)


@own
def test_what_the_outputs_mean(kind: str, change: dict[str, Any]) -> None:
    images = 4 * torch.rand(2, *SMALL, generator=Generator().manual_seed(0)).double() - 2
    models = {
        output: lively(kind_config(kind, **{**STYLE, **change, "output": output}), SMALL)
        for output in get_args(Output)
    }
    assert torch.equal(fresh_residual(kind, change)(images), images)
    models["residual"].load_state_dict(models["linear"].state_dict())
    linear, sigmoid, residual = (models[o](images) for o in ("linear", "sigmoid", "residual"))
    torch.testing.assert_close(residual, images - linear)
    torch.testing.assert_close(sigmoid, linear.sigmoid())
    assert sigmoid.min() > 0
    assert sigmoid.max() < 1
    assert not torch.allclose(linear, images)


def fresh_residual(kind: str, change: dict[str, Any]) -> Denoiser:
    return build_model(kind_config(kind, **change, output="residual"), SMALL).double()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_from_its_own_stream(kind: str) -> None:
    model = lively(kind_config(kind, **{**STYLE, "dropout": 0.5}), SMALL).train()
    images = torch.rand(2, *SMALL).double()

    def output(seed: int) -> Tensor:
        seed_dropout(model, [Draws(0.5, Generator().manual_seed(seed))])
        before = torch.get_rng_state()
        result: Tensor = model(images)
        assert torch.equal(torch.get_rng_state(), before)
        return result

    assert torch.equal(output(1), output(1))
    assert not torch.equal(output(1), output(2))
    seed_dropout(model, [Draws(0.0)])
    assert torch.equal(model(images), model.eval()(images))


# ---- training --------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", get_args(Normalization))
@pytest.mark.parametrize("kind", KINDS)
def test_the_least_batch_is_enough_and_one_less_is_refused(kind: str, normalization: str) -> None:
    config = kind_config(kind, normalization=normalization)
    least = config.least_batch
    model = build_model(config, SMALL).train()
    assert model(torch.rand(least, *SMALL)).isfinite().all()
    if least > 1:
        with pytest.raises(ValueError, match="more than 1 value"):
            model(torch.rand(least - 1, *SMALL))
        with pytest.raises(ValidationError, match=f"batch_size of {least} or more"):
            TrialConfig.model_validate({"model": config.model_dump(), "batch_size": least - 1})


def in_float64(model: dict[str, Any], number: int) -> Training:
    """Two epochs, with a rate, dropout and seed of its own."""
    task = TASK.model_copy(update={"epochs": 2})
    adam = {**OPTIMIZERS["adam"], "learning_rate": 0.01 / (number + 1)}
    config = {"model": {**model, "dropout": 0.2 * number}, "optimizer": adam, "batch_size": 20}
    data = prepared(task)
    data = replace(
        data,
        train_clean=data.train_clean.double(),
        val_clean=data.val_clean.double(),
        val_noisy=data.val_noisy.double(),
    )
    run = Training(task, TrialConfig.model_validate(config), data, seed=number)
    run.model.double()
    return run


def to_the_end(run: Training) -> Any:
    while (yield from run.advance()):
        pass


@pytest.mark.parametrize("normalization", get_args(Normalization))
@pytest.mark.parametrize("kind", KINDS)
def test_in_a_stack_it_has_the_curve_that_it_has_alone(kind: str, normalization: str) -> None:
    model = {"kind": kind, **usual(kind), "normalization": normalization}
    alone, stack = ([in_float64(model, number) for number in range(3)] for _ in range(2))
    for run in alone:
        drive(to_the_end(run))
    drive(together([to_the_end(run) for run in stack]), StackedSteps())
    for one, other in zip(alone, stack, strict=True):
        ends = [[r.val_mse for r in run.history] for run in (one, other)]
        assert ends[0] == pytest.approx(ends[1], rel=1e-8)
        assert one.history[0].train_loss != one.history[1].train_loss


def test_every_kind_is_packed_as_a_bundle_and_as_a_graph() -> None:
    assert set(MODELS) == set(KINDS)
