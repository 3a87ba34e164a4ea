"""Small configs of every kind of model, made from the fields of its class alone.

A kind that joins the union `ModelConfig` is tested without anybody naming it here.
"""

from types import NoneType
from typing import Any, Literal, get_args, get_origin

import torch
from annotated_types import Ge, Gt, Le, Lt
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from autoencoder_hpo.bundle.config import BundleConfig
from autoencoder_hpo.bundle.denoiser import LoadedDenoiser
from autoencoder_hpo.config import ModelBase, ModelConfig
from autoencoder_hpo.models import Denoiser, build_model

CLASSES: tuple[type[ModelBase], ...] = get_args(get_args(ModelConfig)[0])
KINDS: dict[str, type[ModelBase]] = {
    get_args(cls.model_fields["kind"].annotation)[0]: cls for cls in CLASSES
}
STYLE = {"activation": "tanh", "normalization": "none", "dropout": 0.0, "output": "linear"}
"""Smooth, so that whatever can pass through a model does."""
SMALL = 4
"""Whole numbers are no larger than this, or one more."""


def kind_config(kind: str, **changes: Any) -> ModelConfig:
    """The usual small config of this kind, with these fields changed."""
    model: ModelConfig = TypeAdapter(ModelConfig).validate_python(
        {"kind": kind, **usual(kind), **changes}
    )
    return model


def usual(kind: str) -> dict[str, Any]:
    return {name: values[0] for name, values in _values(kind).items()}


def variants(kind: str, *, own: bool = False) -> list[dict[str, Any]]:
    """The usual config, and all that differ from it by one field.

    `own`: only by those fields that not every kind has.
    """
    changes = [
        {name: value}
        for name, values in _values(kind).items()
        if not (own and name in ModelBase.model_fields)
        for value in values[1:]
    ]
    return [{}, *changes]


def name_of(value: Any) -> str | None:
    """What a test's name says of a variant."""
    if not isinstance(value, dict):
        return None
    return "-".join(f"{name}={content}" for name, content in value.items()) or "usual"


def lively(config: ModelConfig, shape: tuple[int, int, int], *, seed: int = 0) -> Denoiser:
    """In float64, restoring, with weights in every layer that let signals pass."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(config, shape).double().eval()
        for parameter in model.parameters():
            spread = (1.5 / max(1, parameter[0].numel())) ** 0.5 if parameter.ndim > 1 else 0.3
            parameter.data = parameter.data + spread * torch.randn_like(parameter)
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer += 0.3 * torch.rand_like(buffer)
    return model


def loaded(config: ModelConfig, shape: tuple[int, int, int]) -> LoadedDenoiser:
    """As a bundle gives it."""
    content = {
        "study": "digits",
        "trial": 0,
        "task": {
            "data": {"dataset": "digits"},
            "corruption": {"kind": "gaussian", "sigma": 0.1},
            "epochs": 1,
        },
        "config": {"model": config.model_dump()},
        "shape": shape,
        "mean": 0.0,
        "std": 1.0,
        "low": 0.0,
        "high": 255.0,
        "versions": {},
    }
    described = BundleConfig.model_validate(content)
    return LoadedDenoiser(described, lively(config, shape).float(), torch.device("cpu"))


def _values(kind: str) -> dict[str, list[Any]]:
    """Some values of each field, the usual one first."""
    fields = KINDS[kind].model_fields.items()
    return {name: _unique(_some(name, field)) for name, field in fields if name != "kind"}


def _some(name: str, field: FieldInfo) -> list[Any]:
    known = [] if field.is_required() else [field.default]
    bounds = {type(bound): bound for bound in field.metadata}
    origin, args = get_origin(field.annotation), get_args(field.annotation)
    if origin is Literal:
        return [*known, *args]
    if field.annotation is bool:
        return [*known, False, True]
    if field.annotation is int:
        least = bounds[Ge].ge if Ge in bounds else bounds[Gt].gt + 1 if Gt in bounds else 0
        first = max(least, min([SMALL, *known]))
        return [first, least, first + 1]
    if field.annotation is float:
        ends = [bounds[Ge].ge] if Ge in bounds else []
        ends += [bounds[Le].le] if Le in bounds else []
        low, high = _ends(bounds)
        return [*known, low + 0.75 * (high - low), *ends]
    if NoneType in args:
        return [*known, None]
    raise AssertionError(f"{name}: say here which values a {field.annotation} may have")


def _ends(bounds: dict[Any, Any]) -> tuple[float, float]:
    low = bounds[Ge].ge if Ge in bounds else bounds[Gt].gt if Gt in bounds else 0.0
    high = bounds[Le].le if Le in bounds else bounds[Lt].lt if Lt in bounds else low + 1.0
    return low, high


def _unique(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def refusal(config: ModelConfig, shape: tuple[int, int, int]) -> str | None:
    """Why it does not take this shape; None where it does."""
    try:
        config.check(shape)
    except ValueError as error:
        return str(error)
    return None


SHAPES = [
    (1, 8, 8), (3, 9, 7), (1, 5, 12), (2, 4, 4), (1, 28, 28), (3, 2, 3), (1, 1, 12), (3, 1, 5),
    (1, 7, 1), (2, 1, 1),
]  # fmt: skip
EVERY = [(kind, change) for kind in KINDS for change in variants(kind)]
OWN = [(kind, change) for kind in KINDS for change in variants(kind, own=True)]
