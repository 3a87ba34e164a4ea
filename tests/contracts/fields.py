"""Every field of a config, each with configs that differ in it alone.

Fields and the values to try are read from the classes: annotation, bounds, default. What is added
to `autoencoder_hpo.config` is therefore found here without anybody remembering it.
"""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from autoencoder_hpo.config import Strict, TrialConfig

Tree = dict[str, Any]
SHAPE = (1, 8, 8)
"""Of the images that are trained on."""
SMALL: Tree = {
    "width": 16, "latent": 4, "channels": 4, "batch_size": 32, "learning_rate": 0.01,
    "epochs": 2, "patience": 1,
}  # fmt: skip
"""What is set in place of a default where a field of this name may be that: defaults are for real
images."""
VALUES: Mapping[str, Sequence[Any]] = {}
"""By path: what to try where the type says nothing about good values."""
TOGETHER: Mapping[str, Tree] = {
    "huber_delta": {"loss": "huber"},
    "optimizer.adam.kind": {"optimizer": {"weight_decay": 0.1}},  # adamw is adam without it
    "optimizer.sgd.nesterov": {"optimizer": {"momentum": 0.5}},
    # Nothing drops unless validation gets worse. Here each step makes a weight -1.2 times itself.
    "schedule.plateau": {
        "epochs": 4,
        "model": {"activation": "tanh", "output": "linear"},
        "optimizer": {"kind": "sgd", "learning_rate": 1.0},
        "l2": 1.1,
    },
}
"""By path: what a field, and all below it, needs beside it to have an effect."""


@dataclass(frozen=True, slots=True)
class Case:
    """One field, or one value of a field that has a few."""

    path: str
    """With the kinds chosen on the way, such as `model.mlp.width`."""
    field: str
    """Without them: `model.width`."""
    name: str
    """The path, and the value where each is a case of its own: `loss=bce`."""
    base: TrialConfig
    others: tuple[TrialConfig, ...]
    """Differ from the base in this field alone. None: nothing is known to try."""


def cases(config: type[TrialConfig] = TrialConfig) -> list[Case]:
    """Of every field of this class and of all kinds below it."""
    return list(_below(config, config, _small(config), at=(), path=""))


def _below(
    config: type[TrialConfig], part: type[Strict], tree: Tree, *, at: tuple[str, ...], path: str
) -> Iterator[Case]:
    """Fields of one part of the config, which lies at these keys of the tree."""
    for name, field in part.model_fields.items():
        here, known = (*at, name), f"{path}.{name}" if path else name
        base = _merged(tree, TOGETHER.get(known, {}))
        kinds = _kinds(field)
        for kind in kinds:
            label = f"{known}.{_label(kind)}" if _label(kind) else known
            beside = _merged(tree, TOGETHER.get(label, {}))
            chosen = _put(beside, here, _small(kind))
            if not _is_at(beside, here, kind):
                yield _case(config, here, known, label, beside, [chosen])
            yield from _below(config, kind, chosen, at=here, path=label)
        if not kinds and not _constant(field):
            yield from _of_a_value(config, field, base, here, known)


def _of_a_value(
    config: type[TrialConfig], field: FieldInfo, tree: Tree, here: tuple[str, ...], path: str
) -> Iterator[Case]:
    now = _get(tree, here, field)
    some, numbers = _choices(field), [*VALUES.get(path, ()), *_numbers(field, now)]
    for value in some:
        if value != now:
            yield _case(config, here, path, f"{path}={value}", tree, [_put(tree, here, value)])
    if numbers or not some:
        tried = [_put(tree, here, value) for value in numbers if value != now]
        yield _case(config, here, path, path, tree, tried)


def _case(
    config: type[TrialConfig],
    here: tuple[str, ...],
    path: str,
    name: str,
    base: Tree,
    others: Sequence[Tree],
) -> Case:
    valid = [found for other in others if (found := _valid(config, other)) is not None]
    return Case(path, ".".join(here), name, config.model_validate(base), tuple(valid))


def _valid(config: type[TrialConfig], tree: Tree) -> TrialConfig | None:
    try:
        found = config.model_validate(tree)
        found.model.check(SHAPE)
    except ValueError:  # out of bounds, or against the base
        return None
    return found


def kinds_of(union: Any) -> dict[str, type[Strict]]:
    """Classes of a union such as `PrunerConfig`, by their kind."""
    classes: tuple[type[Strict], ...] = get_args(get_args(union)[0])
    return {str(_label(kind)): kind for kind in classes}


def least(kind: type[Strict]) -> Tree:
    """What has to be said of a kind, with values that are valid."""
    required = {name for name, field in kind.model_fields.items() if field.is_required()}
    return {name: value for name, value in _small(kind).items() if name in required}


# ---- what a field may be ---------------------------------------------------------------


def _small(part: type[Strict]) -> Tree:
    """The least of a config that is valid, and quick to train."""
    tree: Tree = {}
    for name, field in part.model_fields.items():
        kinds = _kinds(field)
        if name in SMALL and _may_be(field, SMALL[name]):
            tree[name] = SMALL[name]
        elif kinds and not _may_be_none(field):
            tree[name] = _small(kinds[0])
        elif field.is_required():
            some = [*_choices(field), *_numbers(field, None)]
            tree[name] = next((value for value in some if _may_be(field, value)), None)
    return tree


def _may_be(field: FieldInfo, value: Any) -> bool:
    """Whether a value is of the field's type and within its bounds."""
    known: Any = Annotated[field.annotation, field]
    try:
        TypeAdapter(known).validate_python(value)
    except ValidationError:
        return False
    return True


def _members(field: FieldInfo) -> list[tuple[Any, list[Any]]]:
    """Types that a field may have, each with its bounds."""
    return [
        (kind, [*bounds, *field.metadata])
        for member in _flat(field.annotation)
        for kind, *bounds in [get_args(member) if get_origin(member) is Annotated else (member,)]
    ]


def _flat(annotation: Any) -> list[Any]:
    """Members of a union, of which some may be unions themselves."""
    if get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) in UNIONS:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in UNIONS:
        return [inner for member in get_args(annotation) for inner in _flat(member)]
    return [annotation]


UNIONS = (Union, types.UnionType)


def _kinds(field: FieldInfo) -> list[type[Strict]]:
    return [
        kind for kind, _ in _members(field) if isinstance(kind, type) and issubclass(kind, Strict)
    ]


def _label(kind: type[Strict]) -> str | None:
    """The name of a kind; None of a part that has no kinds."""
    field = kind.model_fields.get("kind")
    return None if field is None else str(get_args(field.annotation)[0])


def _is_at(tree: Tree, here: tuple[str, ...], kind: type[Strict]) -> bool:
    """Whether the tree has this kind there."""
    found: Any = tree
    for key in here:
        found = None if found is None else found.get(key)
    return found is not None and found.get("kind") == _label(kind)


def _may_be_none(field: FieldInfo) -> bool:
    return any(kind is type(None) for kind, _ in _members(field))


def _constant(field: FieldInfo) -> bool:
    """The name of a kind that has one."""
    return len(_choices(field)) == 1 and get_origin(field.annotation) is Literal


def _choices(field: FieldInfo) -> list[Any]:
    """All values of a field that has a few."""
    some: list[Any] = []
    for kind, _ in _members(field):
        if kind is bool:
            some += [False, True]
        elif get_origin(kind) is Literal:
            some += get_args(kind)
        elif kind is type(None):
            some.append(None)
    return some


def _numbers(field: FieldInfo, now: Any) -> list[Any]:
    """Numbers to try, the most promising first; those out of bounds are left out later."""
    tried: list[Any] = []
    for kind, bounds in _members(field):
        low = next((getattr(b, n) for b in bounds for n in ("gt", "ge") if hasattr(b, n)), 0)
        high = next((getattr(b, n) for b in bounds for n in ("lt", "le") if hasattr(b, n)), low + 1)
        if kind is int:
            tried += [] if now is None else [2 * now, now // 2]
            tried += [low + 1, low, low + 2, low + 3]
        elif kind is float:
            tried += [] if now is None else [now / 2, 2 * now]
            tried += [low + share * min(1, high - low) for share in (0.5, 0.05, 1e-3, 1e-5)]
    return tried


# ---- trees -----------------------------------------------------------------------------


def _get(tree: Tree, here: tuple[str, ...], field: FieldInfo) -> Any:
    for key in here[:-1]:
        tree = tree[key]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return tree.get(here[-1], default)


def _put(tree: Tree, here: tuple[str, ...], value: Any) -> Tree:
    key, *below = here
    return {**tree, key: _put(tree[key], tuple(below), value) if below else value}


def _merged(tree: Tree, changes: Tree) -> Tree:
    """With these changes; a part of another kind replaces what was there."""
    merged = dict(tree)
    for key, value in changes.items():
        before = merged.get(key)
        other = isinstance(value, dict) and "kind" in value
        merged[key] = _merged(before, value) if isinstance(before, dict) and not other else value
    return merged
