"""Every kind of corruption that a study file may ask for, in strengths found by its fields' bounds.

Nothing here is listed by hand: a kind that joins the union is in all tests that use these.
"""

from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from autoencoder_hpo.config import Corruption, CorruptionBase

KINDS: tuple[type[CorruptionBase], ...] = get_args(get_args(Corruption)[0])
SHARES = (1 / 3, 1 / 2, 2 / 3)
"""How far between their bounds numbers are chosen, in orders of magnitude."""
LEAST, MOST = 1e-3, 1e3
"""Stand for 0 and for a bound that is not there."""


def name_of(kind: type[CorruptionBase]) -> str:
    return str(get_args(kind.model_fields["kind"].annotation)[0])


def numbers(kind: type[CorruptionBase]) -> dict[str, tuple[float, float]]:
    """The fields that hold a number, each with the least and the most that is tried."""
    fields = kind.model_fields.items()
    return {name: _range(field) for name, field in fields if field.annotation in (int, float)}


def inner(kind: type[CorruptionBase]) -> list[dict[str, Any]]:
    """Values well inside of all bounds, for every choice of the other fields."""
    return [
        {
            "kind": name_of(kind),
            **chosen,
            **{name: _at(kind, name, share) for name in numbers(kind)},
        }
        for chosen in _choices(kind)
        for share in (SHARES if numbers(kind) else SHARES[:1])
    ]


def ends(kind: type[CorruptionBase]) -> list[dict[str, Any]]:
    """Values at a bound that is allowed itself, the other numbers in the middle of theirs."""
    middle = {name: _at(kind, name, 1 / 2) for name in numbers(kind)}
    return [
        {"kind": name_of(kind), **middle, **_choices(kind)[0], name: bound}
        for name in numbers(kind)
        for bound in _included(kind.model_fields[name])
    ]


def make(kind: type[CorruptionBase], values: dict[str, Any], **more: Any) -> Any:
    return kind.model_validate({**values, **more})


def middle(kind: type[CorruptionBase], **more: Any) -> Any:
    """One corruption of this kind."""
    values = inner(kind)
    return make(kind, values[len(values) // 2], **more)


def searched(kind: type[CorruptionBase], name: str) -> dict[str, Any]:
    """The range of a field as a study file says it."""
    whole = kind.model_fields[name].annotation is int
    low, high = (_at(kind, name, share) for share in (SHARES[0], SHARES[-1]))
    return {"int" if whole else "float": [low, high]}


each_kind = pytest.mark.parametrize("kind", KINDS, ids=name_of)


def each_corruption(*extra: dict[str, Any], clip: tuple[bool, ...] = (True, False)) -> Any:
    """Every kind with values inside of its bounds and at them, made by the fixture `config`."""
    by_name = {name_of(kind): kind for kind in KINDS}
    given = [values for kind in KINDS for values in (*inner(kind), *ends(kind))]
    cases = [
        pytest.param(
            (by_name[values["kind"]], {**values, "clip": clipped}), id=_said(values, clipped)
        )
        for values in (*given, *extra)
        for clipped in clip
    ]
    return pytest.mark.parametrize("config", cases, indirect=True)


def _said(values: dict[str, Any], clip: bool) -> str:
    numbers = (
        f"{value:g}" if isinstance(value, float) else str(value) for value in values.values()
    )
    return "-".join([*numbers, "clipped" if clip else "open"])


def _range(field: FieldInfo) -> tuple[float, float]:
    whole, bounds = field.annotation is int, _bounds(field)
    low = bounds.get("ge", bounds.get("gt", 0) + whole)
    high = bounds.get("le", bounds.get("lt", MOST) * (1 - LEAST))
    return max(low, LEAST), high


def _bounds(field: FieldInfo) -> dict[str, float]:
    names = ("ge", "gt", "le", "lt")
    return {n: getattr(each, n) for each in field.metadata for n in names if hasattr(each, n)}


def _included(field: FieldInfo) -> list[float]:
    return [bound for name, bound in _bounds(field).items() if name in ("ge", "le")]


def _at(kind: type[CorruptionBase], name: str, share: float) -> float:
    low, high = numbers(kind)[name]
    value = low * (high / low) ** share
    return round(value) if kind.model_fields[name].annotation is int else float(f"{value:.3g}")


def _choices(kind: type[CorruptionBase]) -> list[dict[str, Any]]:
    """Each choice of each field that holds no number, the other fields as they are by default."""
    found: list[dict[str, Any]] = [{}]
    for name, field in kind.model_fields.items():
        if name in ("kind", "clip") or name in numbers(kind):
            continue
        if field.annotation is not bool and get_origin(field.annotation) is not Literal:
            raise NotImplementedError(
                f"{kind.__name__}.{name}: say here what values it is tried with"
            )
        options = (False, True) if field.annotation is bool else get_args(field.annotation)
        found = [{**others, name: option} for others in found for option in options]
    return found
