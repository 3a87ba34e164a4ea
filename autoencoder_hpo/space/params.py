"""From a config back to the parameters that make a space produce it."""

from typing import Any, assert_never

from autoencoder_hpo.space.holes import (
    Choice,
    Fields,
    Fixed,
    FloatRange,
    IntRange,
    Listed,
    Node,
    Path,
    Range,
    Scalar,
    SpaceError,
    Tree,
    read_space,
    show,
)

Params = dict[str, Scalar]


class UnknownKey(SpaceError):
    """A config names a key that the space does not have."""


def to_params(tree: Tree, config: Tree) -> dict[str, Scalar]:
    """The parameters that a whole or partial config fixes; the inverse of `fill`.

    An option of a choice is found by its kind, or named by its label (`model: unet`).

    Raises:
        SpaceError: a value is not in the space, at this path of the config.
    """
    return _invert(read_space(tree), config, ())[0]


def _invert(node: Node, value: Any, path: Path) -> tuple[Params, int]:
    """The parameters, and how many fields of the space the config leaves open."""
    match node:
        case Fixed(value=fixed):
            if not _same(fixed, value):
                raise SpaceError(path, f"found {show(value)}; the space fixes it to {show(fixed)}")
            return {}, 0
        case Fields():
            return _invert_fields(node, value, path)
        case Choice():
            return _invert_choice(node, value, path)
        case Listed(name=name, values=values):
            for known in values:
                if _same(known, value):
                    return {name: known}, 0
            raise SpaceError(path, f"found {show(value)}; allowed: {_names(values)}")
        case IntRange() | FloatRange():
            return {node.name: _within(node, value, path)}, 0
        case _:
            assert_never(node)


def _invert_fields(node: Fields, value: Any, path: Path) -> tuple[Params, int]:
    if not isinstance(value, dict):
        raise SpaceError(path, f"found {show(value)}; must be a mapping of {_names(node.fields)}")
    params: Params = {}
    left_open = len(node.fields.keys() - value.keys())
    for key, sub in value.items():
        if key not in node.fields:
            raise UnknownKey(
                (*path, key), f"unknown key {key}; the space has: {_names(node.fields)}"
            )
        found, inner = _invert(node.fields[key], sub, (*path, key))
        params |= found
        left_open += inner
    return params, left_open


def _invert_choice(node: Choice, value: Any, path: Path) -> tuple[Params, int]:
    """Of the options that fit, the one that the config describes most fully."""
    if isinstance(value, str) and isinstance(node.options.get(value), Fields):
        return {node.name: value}, 1
    fits: list[tuple[Params, int]] = []
    problems: list[SpaceError] = []
    for label, option in node.options.items():
        if not _is_kind(option, value):
            continue
        try:
            params, left_open = _invert(option, value, path)
            fits.append(({node.name: label, **params}, left_open))
        except SpaceError as problem:
            problems.append(problem)
    if fits:
        return min(fits, key=lambda fit: fit[1])
    if problems:
        raise problems[0]
    found = value.get("kind") if isinstance(value, dict) else value
    raise SpaceError(path, f"found {show(found)}; allowed: {_names(node.options)}")


def _is_kind(option: Node, value: Any) -> bool:
    """Whether an option is worth a try: false where its kind rules the value out."""
    if not isinstance(option, Fields):
        return not isinstance(value, dict) or isinstance(option, Choice)
    if not isinstance(value, dict):
        return False
    match option.fields.get("kind"), value.get("kind"):
        case (Fixed(value=known), str() as kind):
            return bool(known == kind)
        case (Listed(values=known), str() as kind):
            return kind in known
        case _:
            return True


def _within(node: Range, value: Any, path: Path) -> int | float:
    whole = isinstance(node, IntRange)
    ends = f"{show(node.low)} to {show(node.high)}"
    steps = f" in steps of {show(node.step)}" if node.step not in (None, 1) else ""
    allowed = f"allowed: {'whole numbers' if whole else 'numbers'} from {ends}{steps}"
    problem = SpaceError(path, f"found {show(value)}; {allowed}")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise problem
    if not node.low <= value <= node.high or (whole and value % 1):
        raise problem
    if node.step is not None:
        steps_up = (value - node.low) / node.step
        if abs(steps_up - round(steps_up)) > 1e-8:
            raise problem
    return int(value) if whole else float(value)


def _same(one: Any, other: Any) -> bool:
    """Equal as a config counts it: 1 and 1.0 are, 1 and true are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _names(values: Any) -> str:
    return ", ".join(value if isinstance(value, str) else show(value) for value in values)
