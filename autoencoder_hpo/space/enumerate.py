"""What a space spans: its parameters, corners, grid cells and architectures.

Every way to fill a space has a number, in the mixed radix of its choices, so that each can be
reached without counting through the others.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, assert_never

from autoencoder_hpo.space.fill import Filled, FixedSuggester, fill_space
from autoencoder_hpo.space.holes import (
    Choice,
    Fields,
    Fixed,
    FloatRange,
    Hole,
    IntRange,
    Listed,
    Node,
    Range,
    Scalar,
    SpaceError,
    Tree,
    read_space,
    show,
)

MOST_CELLS = 1_000_000
MOST_CORNERS = 2_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """A hole as Optuna sees it. `conditional`: not every trial has it."""

    name: str
    kind: Literal["int", "float", "categorical"]
    conditional: bool
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: Sequence[Scalar] = ()


def parameters(tree: Tree) -> list[Parameter]:
    """The holes of a space, in the order in which they are filled."""
    return [_parameter(hole, bool(given)) for hole, given in every_hole(tree)]


def every_hole(tree: Tree) -> list[tuple[Hole, Mapping[str, Scalar]]]:
    """The holes of a space, each with the labels that must be picked for it to occur."""
    return list(_holes(read_space(tree), {}))


def most_at_once(tree: Tree) -> int:
    """How many parameters a trial can have: those of one option exclude those of another."""
    return _most_at_once(read_space(tree))


def _most_at_once(node: Node) -> int:
    match node:
        case Fixed():
            return 0
        case Fields(fields=fields):
            return sum(_most_at_once(sub) for sub in fields.values())
        case Choice(options=options):
            return (len(options) > 1) + max(_most_at_once(option) for option in options.values())
        case Listed(values=values):
            return int(len(values) > 1)
        case _:
            return 1


def _parameter(hole: Hole, conditional: bool) -> Parameter:
    match hole:
        case Choice(name=name, options=options):
            return Parameter(name, "categorical", conditional, choices=tuple(options))
        case Listed(name=name, values=values):
            return Parameter(name, "categorical", conditional, choices=tuple(values))
        case IntRange(_, name, low, high, step, log):
            return Parameter(name, "int", conditional, low, high, step, log)
        case FloatRange(_, name, low, high, float_step, log):
            return Parameter(name, "float", conditional, low, high, float_step, log)
        case _:
            assert_never(hole)


def _holes(node: Node, given: Mapping[str, Scalar]) -> Iterator[tuple[Hole, Mapping[str, Scalar]]]:
    """Every hole, and the labels that must be picked for it to occur."""
    match node:
        case Fixed():
            return
        case Fields(fields=fields):
            for sub in fields.values():
                yield from _holes(sub, given)
        case Choice(name=name, options=options):
            yield node, given
            for label, option in options.items():
                yield from _holes(option, {**given, name: label} if len(options) > 1 else given)
        case _:
            yield node, given


def architectures(tree: Tree) -> int:
    """How many models the space holds, counting ints, choices and floats with a step.

    A float range without a step, such as dropout's, counts once: it is a matter of degree.
    """
    model = read_space(tree).fields.get("model")
    return 1 if model is None else _count(_listed(model, _degrees))


def _degrees(found: Range) -> Sequence[float]:
    match found:
        case IntRange(_, _, low, high, step):
            return range(low, high + 1, step)
        case FloatRange(step=None):
            return (found.low,)
        case _:
            return _steps(found)


# ---- counting a space out --------------------------------------------------------------


def corners(tree: Tree, limit: int = MOST_CORNERS) -> list[Filled]:
    """All combinations of both ends of every range and of every choice.

    When there are more than `limit`, a fixed sample of that many, in which each end and each
    choice occurs; of more than that only where it takes more for them to occur.
    """
    space = read_space(tree)
    ends = _listed(space, _ends)
    if (total := _count(ends)) <= limit:
        return [fill_space(space, FixedSuggester(_nth(ends, index))) for index in range(total)]
    chance = random.Random(0)
    sample: dict[frozenset[tuple[str, Scalar]], Filled] = {}
    for decided in _each_once(ends):
        suggester = FixedSuggester(_nth(ends, chance.randrange(total)) | decided)
        filled = fill_space(space, suggester)
        sample[frozenset(suggester.used.items())] = filled
    for index in chance.sample(range(min(total, 2**62)), limit):  # a range's len() is 63 bits
        if len(sample) < limit:
            params = _nth(ends, index)
            sample.setdefault(frozenset(params.items()), fill_space(space, FixedSuggester(params)))
    return list(sample.values())


def corner_count(tree: Tree) -> int:
    """How many corners there are, whether or not all of them are tried."""
    return _count(_listed(read_space(tree), _ends))


def inner_points(tree: Tree) -> list[Filled]:
    """For each int range, a config with the value above its low end: between two allowed
    kernels, 3 and 7, there may be one that is not."""
    space = read_space(tree)
    return [
        fill_space(space, FixedSuggester({**given, hole.name: hole.low + hole.step}))
        for hole, given in _holes(space, {})
        if isinstance(hole, IntRange)
    ]


def cells(tree: Tree) -> Iterator[dict[str, Scalar]]:
    """The parameters of every grid cell, in a fixed order.

    Raises:
        SpaceError: a range cannot be counted out, or there are more than a million cells.
    """
    total = cell_count(tree)
    grid = _listed(read_space(tree), _steps)
    return (_nth(grid, index) for index in range(total))


def cell_count(tree: Tree) -> int:
    """How many cells a grid over the space has; raises SpaceError as `cells` does."""
    total = _count(_listed(read_space(tree), _steps))
    if total > MOST_CELLS:
        raise SpaceError((), f"found {total:,} cells; a grid has at most {MOST_CELLS:,}")
    return total


def grid_problems(tree: Tree) -> list[SpaceError]:
    """Why a grid cannot be laid over a space."""
    problems = []
    for hole, _ in _holes(read_space(tree), {}):
        try:
            if isinstance(hole, IntRange | FloatRange):
                _steps(hole)
        except SpaceError as problem:
            problems.append(problem)
    if not problems:
        try:
            cell_count(tree)
        except SpaceError as problem:
            problems.append(problem)
    return problems


def _ends(found: Range) -> Sequence[float]:
    return found.low, found.high


def _steps(found: Range) -> Sequence[float]:
    match found:
        case IntRange(_, _, low, high, step, log=False):
            return range(low, high + 1, step)
        case FloatRange(_, _, start, stop, float() as size, log=False):
            number = round((stop - start) / size) + 1
            first, stride = Decimal(str(start)), Decimal(str(size))
            return [float(first + index * stride) for index in range(number)]
        case _:
            kind = "log" if found.log else "continuous"
            raise SpaceError(
                found.source,
                f"found {show([found.low, found.high])}, a {kind} range; a grid needs a list of "
                "values or a step",
            )


def _listed(node: Node, values: Callable[[Range], Sequence[float]]) -> Node:
    """The same space with every range replaced by a list of some of its values."""
    match node:
        case Fields(source, fields):
            return Fields(source, {key: _listed(sub, values) for key, sub in fields.items()})
        case Choice(source, name, options):
            return Choice(source, name, {k: _listed(sub, values) for k, sub in options.items()})
        case IntRange() | FloatRange():
            return Listed(node.source, node.name, values(node))
        case _:
            return node


def _count(node: Node) -> int:
    """The number of ways to fill a space that has no ranges."""
    match node:
        case Fields(fields=fields):
            return math.prod(_count(sub) for sub in fields.values())
        case Choice(options=options):
            return sum(_count(option) for option in options.values())
        case Listed(values=values):
            return len(values)
        case _:
            return 1


def _nth(node: Node, index: int) -> dict[str, Scalar]:
    """One of those ways, by its number: the digits of `index` in the space's mixed radix."""
    match node:
        case Fields(fields=fields):
            params: dict[str, Scalar] = {}
            for sub in reversed(list(fields.values())):
                index, digit = divmod(index, _count(sub))
                params = _nth(sub, digit) | params
            return params
        case Choice(name=name, options=options):
            for label, option in options.items():
                if index < (size := _count(option)):
                    return {name: label, **_nth(option, index)}
                index -= size
            raise IndexError(index)
        case Listed(name=name, values=values):
            return {name: values[index]}
        case _:
            return {}


def _each_once(space: Node) -> Iterator[dict[str, Scalar]]:
    """For each value of each hole, what must be decided for it to occur."""
    for hole, given in _holes(space, {}):
        match hole:
            case Listed(name=name, values=values):
                yield from ({**given, name: value} for value in values)
            case Choice(name=name, options=options):
                yield from ({**given, name: label} for label in options)
