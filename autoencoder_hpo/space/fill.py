"""Filling the holes of a space, by asking a suggester for each.

A suggester is an Optuna trial, or one that knows the answers already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

from autoencoder_hpo.space.holes import (
    Choice,
    Fields,
    Fixed,
    FloatRange,
    IntRange,
    Listed,
    Node,
    Path,
    Scalar,
    Tree,
    read_space,
)


class Suggester(Protocol):
    """The part of optuna.Trial used here."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A plain config. `origin` maps each path in it to the path of the space it came from."""

    config: Tree
    origin: Mapping[Path, Path]


def fill(tree: Tree, suggester: Suggester) -> Filled:
    """Replace every hole of a tree by what the suggester says."""
    return fill_space(read_space(tree), suggester)


def fill_space(space: Fields, suggester: Suggester) -> Filled:
    origin: dict[Path, Path] = {}

    def visit(node: Node, path: Path) -> Any:
        origin[path] = node.source
        match node:
            case Fixed(value=value):
                return value
            case Fields(fields=fields):
                return {key: visit(sub, (*path, key)) for key, sub in fields.items()}
            case Choice(name=name, options=options):
                return visit(options[suggester.suggest_categorical(name, list(options))], path)
            case Listed(name=name, values=values):
                return suggester.suggest_categorical(name, list(values))
            case IntRange(_, name, low, high, step, log):
                return suggester.suggest_int(name, low, high, step=step, log=log)
            case FloatRange(_, name, low, high, float_step, log):
                return suggester.suggest_float(name, low, high, step=float_step, log=log)
            case _:
                assert_never(node)

    return Filled(visit(space, ()), origin)


@dataclass(frozen=True, slots=True)
class FixedSuggester:
    """Answers from `params`, else with the low end or the first choice. `used`: its answers."""

    params: Mapping[str, Scalar]
    used: dict[str, Scalar] = field(default_factory=dict)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._answer(name, low))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return int(self._answer(name, low))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._answer(name, choices[0])

    def _answer(self, name: str, otherwise: Any) -> Any:
        return self.used.setdefault(name, self.params.get(name, otherwise))
