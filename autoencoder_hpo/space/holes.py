"""Reading a search space: where its holes are, what they are called, what may go there.

A hole's name in the database is its path with the chosen kind in it, such as
`model.unet.depth`, so that one name never has two ranges.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Scalar = str | int | float | bool | None
Tree = dict[str, Any]
"""A mapping of a study file, as YAML gives it and before it is checked."""
Path = tuple[str | int, ...]  # keys and positions, from the top of a tree
HOLES = ("int", "float", "choice")
MOST_STEPS = 1_000_000  # of one range: more is a range without steps
LARGEST = 2**53  # the database keeps parameters as 64-bit floats


class SpaceError(ValueError):
    """A space, or a config for it, is wrong at `path`."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Fixed:
    source: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Fields:
    source: Path
    fields: Mapping[str, "Node"]


@dataclass(frozen=True, slots=True)
class IntRange:
    source: Path
    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False


@dataclass(frozen=True, slots=True)
class FloatRange:
    source: Path
    name: str
    low: float
    high: float
    step: float | None = None
    log: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    source: Path
    name: str
    values: Sequence[Scalar]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sub-trees, each picked by its label."""

    source: Path
    name: str
    options: Mapping[Scalar, "Node"]


Range = IntRange | FloatRange
Hole = Range | Listed | Choice
Node = Fixed | Fields | Hole


def read_space(tree: Any) -> Fields:
    """Find the holes of a tree. Raises SpaceError for the first one that is wrong."""
    node, problems = _read(tree)
    if problems:
        raise problems[0]
    return node


def space_problems(tree: Any) -> list[SpaceError]:
    """Everything that is wrong with the holes of a tree."""
    return _read(tree)[1]


def _read(tree: Any) -> tuple[Fields, list[SpaceError]]:
    if not isinstance(tree, dict) or hole_key(tree):
        message = f"found {show(tree)}; must be a mapping of fields, such as model:"
        return Fields((), {}), [SpaceError((), message)]
    reader = _Reader()
    return reader.fields(tree, (), ""), reader.problems


def _refuse_misspelt_hole(tree: Tree, source: Path) -> None:
    """`{flaot: [0, 1]}`: a mapping of a kind may have such a key, `floor` for one."""
    for key, value in tree.items():
        close = difflib.get_close_matches(str(key), HOLES, 1, 0.7)
        if close and isinstance(value, list) and "kind" not in tree:
            raise SpaceError((*source, key), f"unknown key {key} (did you mean {close[0]}?)")


def hole_key(tree: Any) -> str | None:
    """The key that makes a mapping a hole; None for anything else."""
    if not isinstance(tree, dict):
        return None
    return next((key for key in HOLES if key in tree), None)


def show(value: Any) -> str:
    """A value as people write it in YAML, on one line and not too long."""
    if isinstance(value, str):
        text = repr(str(value))  # a member of an enum is its text
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {show(value[key])}" for key in value) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(map(show, value)) + "]"
    elif value is None or isinstance(value, bool):
        text = json.dumps(value)
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Reader:
    """Walks a tree and collects what is wrong, so that all of it can be said at once."""

    def __init__(self) -> None:
        self.problems: list[SpaceError] = []

    def fields(self, tree: Tree, source: Path, name: str) -> Fields:
        nodes = {
            key: self.node(value, (*source, key), _join(name, key)) for key, value in tree.items()
        }
        return Fields(source, nodes)

    def node(self, tree: Any, source: Path, name: str, *, labelled: bool = False) -> Node:
        """`labelled`: a choice has put the kind into the name already."""
        try:
            match tree:
                case dict() if hole_key(tree):
                    return self._hole(tree, source, name)
                case dict():
                    kind = tree.get("kind")
                    _refuse_misspelt_hole(tree, source)
                    named = isinstance(kind, str) and not labelled
                    return self.fields(tree, source, _join(name, kind) if named else name)
                case list():
                    return Listed(source, name, _different(tree, source, "a list"))
                case _:
                    return Fixed(source, tree)
        except SpaceError as problem:
            self.problems.append(problem)
            return Fixed(source, None)

    def _hole(self, tree: Tree, source: Path, name: str) -> Hole:
        match hole_key(tree):
            case "int":
                return _int_range(tree, source, name)
            case "float":
                return _float_range(tree, source, name)
            case _:
                return Choice(source, name, self._options(tree, source, name))

    def _options(self, tree: Tree, source: Path, name: str) -> dict[Scalar, Node]:
        _know_keys(tree, "choice", (), source)
        options = tree["choice"]
        if not isinstance(options, list) or not options:
            raise SpaceError(source, f"found {show(tree)}; choice: takes a list of options")
        plain = [option for option in options if not isinstance(option, dict)]
        taken = set(_different(plain, source, "a choice") if plain else ())
        nodes: dict[Scalar, Node] = {}
        for index, option in enumerate(options):
            label = _label(option, taken) if isinstance(option, dict) else option
            taken.add(label)
            place = (*source, "choice", index)
            nodes[label] = self.node(option, place, _join(name, label), labelled=True)
        return nodes


def _join(name: str, segment: object) -> str:
    return f"{name}.{segment}" if name else str(segment)


def _label(option: Tree, taken: set[Scalar]) -> str:
    """What an option is called: its kind, with _2, _3 … where that is taken."""
    match option.get("kind"):
        case str() as kind:
            label = kind
        case [*kinds]:
            label = "_or_".join(map(str, kinds))
        case _:
            label = hole_key(option) or "option"
    number, numbered = 1, label
    while numbered in taken:
        number += 1
        numbered = f"{label}_{number}"
    return numbered


def _different(values: list[Any], source: Path, what: str) -> tuple[Scalar, ...]:
    """These values, if they are plain ones that differ. `True` and `1` are equal to a sampler."""
    if any(isinstance(value, list | dict) for value in values):
        raise SpaceError(
            source,
            f"found {show(values)}; {what} holds plain values: whole sub-configs go into "
            "{choice: [{...}, {...}]}",
        )
    if not values:
        raise SpaceError(source, f"found []; {what} needs at least one value")
    for place, value in enumerate(values):
        _check_finite(value, source)
        if value in values[:place]:
            twin = values[values.index(value)]
            raise SpaceError(
                source, f"found {show(twin)} and {show(value)}; {what} holds each value once"
            )
    return tuple(values)


# ---- ranges ----------------------------------------------------------------------------


def _int_range(tree: Tree, source: Path, name: str) -> IntRange:
    low, high, step, log = _range(tree, "int", source)
    for value in (low, high, step or 1):
        if value % 1 or abs(value) > LARGEST:
            raise SpaceError(
                source, f"found {show(value)}; an int range takes whole numbers up to 2^53"
            )
    whole = IntRange(source, name, int(low), int(high), 1 if step is None else int(step), log)
    _check_steps(whole)
    return whole


def _float_range(tree: Tree, source: Path, name: str) -> FloatRange:
    low, high, step, log = _range(tree, "float", source)
    found = FloatRange(
        source, name, float(low), float(high), None if step is None else float(step), log
    )
    _check_steps(found)
    return found


def _range(tree: Tree, kind: str, source: Path) -> tuple[float, float, float | None, bool]:
    _know_keys(tree, kind, ("step", "log"), source)
    match tree[kind]:
        case [int() | float() as low, int() | float() as high] if _numbers(low, high):
            pass
        case ends:
            raise SpaceError(
                source, f"found {kind}: {show(ends)}; a range is two numbers, [low, high]"
            )
    step, log = tree.get("step"), tree.get("log", False)
    for value in (low, high, step):
        _check_finite(value, source)
    if not isinstance(log, bool):
        raise SpaceError(source, f"found log: {show(log)}; must be true or false")
    if not low < high:
        raise SpaceError(source, f"found {show([low, high])}; the low end must be below the high")
    if log and low <= 0:
        raise SpaceError(source, f"found {show([low, high])}; a log range must start above 0")
    if log and step is not None:
        raise SpaceError(source, f"found step: {show(step)}; a log range takes no step")
    if step is not None and not (_numbers(step) and step > 0):
        raise SpaceError(source, f"found step: {show(step)}; must be a number above 0")
    return low, high, step, log


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _check_finite(value: Any, source: Path) -> None:
    if _numbers(value) and not abs(value) < 1e300:
        raise SpaceError(source, f"found {show(value)}; must be a finite number")


def _check_steps(found: Range) -> None:
    """Whole steps must lead from the low end to the high one: Optuna would cut the rest off."""
    if found.step is None:
        return
    step, ends = found.step, [found.low, found.high]
    if (found.high - found.low) / step > MOST_STEPS and isinstance(found, FloatRange):
        raise SpaceError(
            found.source, f"found step: {show(step)}; {show(ends)} has over a million: omit step"
        )
    low, high, size = (Decimal(str(value)) for value in (found.low, found.high, step))
    if high - low < size:
        raise SpaceError(
            found.source, f"found step: {show(step)}; must not be longer than {show(ends)}"
        )
    below = low + (high - low) // size * size
    if below != high:
        raise SpaceError(
            found.source,
            f"found {show(ends)} with step {show(step)}; the high end must be {below:f} or "
            f"{below + size:f}",
        )


def _know_keys(tree: Tree, kind: str, others: Sequence[str], source: Path) -> None:
    for key in tree:
        if key != kind and key not in others:
            close = difflib.get_close_matches(str(key), others, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            allowed = ", ".join(others) or "nothing"
            raise SpaceError(
                (*source, key), f"unknown key {key}{hint}; allowed beside {kind}: {allowed}"
            )
