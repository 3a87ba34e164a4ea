"""A grid study as a table, as the literature prints them: rows × columns, the best marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.space import cells, parameters
from autoencoder_hpo.space.holes import Scalar
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study import best_of
from autoencoder_hpo.study import Grid as GridSampler
from autoencoder_hpo.study import StudyConfig
from autoencoder_hpo.training.results import Scores

MEASURES = (Metric.VAL_PSNR, Metric.VAL_MSE)
"""A table for each, and for what the study improves, where that is another."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A trial of the grid. Where it has no `scores`, `state` says why."""

    number: int
    state: str
    scores: Scores | None
    best: bool = False

    def shown(self, measure: Metric) -> str:
        value = measure.found_in(self.scores)
        return self.state if value is None else measure.said(value)


@dataclass(frozen=True, slots=True)
class Grid:
    """`across` is None where one parameter was searched: its table has a single column.

    `cells` holds a row for each value down, and in it a cell for each value across; None where
    no trial was there yet.
    """

    measures: Sequence[Metric]
    down: str
    down_values: Sequence[Scalar]
    across: str | None
    across_values: Sequence[Scalar]
    cells: Sequence[Sequence[Cell | None]]

    def as_record(self) -> dict[str, Any]:
        """As a report in JSON has it."""
        return {
            "down": self.down,
            "down_values": self.down_values,
            "across": self.across,
            "across_values": self.across_values,
            "cells": [[cell and self._of(cell) for cell in row] for row in self.cells],
        }

    def _of(self, cell: Cell) -> dict[str, Any]:
        scores = {measure.value: measure.found_in(cell.scores) for measure in self.measures}
        return {"number": cell.number, "state": cell.state, **scores, "best": cell.best}


def grid_of(study: StudyConfig, trials: Sequence[StoredTrial]) -> Grid | None:
    """The table of a grid over one or two parameters; None for any other study.

    Parameters of different options of a choice that have the same last name, such as the width
    of both an mlp of one and of two layers, are one axis.
    """
    if not isinstance(study.search.sampler, GridSampler):
        return None
    points = list(cells(study.space))
    axes = _axes([parameter.name for parameter in parameters(study.space)], points)
    if not 1 <= len(axes) <= 2:
        return None
    places = [_place(axes, point) for point in points]
    if any(len(place) < len(axes) for place in places):
        return None  # a parameter that some cells lack has no place in a table
    values = [list(dict.fromkeys(column)) for column in zip(*places, strict=True)]
    found = _found(axes, trials, study.search.objective)
    measures = tuple(dict.fromkeys([*MEASURES, study.search.objective.shown]))
    down, *rest = axes
    across = values[1] if rest else []
    rows = [[found.get((row, *over)) for over in _overs(across)] for row in values[0]]
    return Grid(measures, down, values[0], rest[0] if rest else None, across, rows)


def _overs(across: Sequence[Scalar]) -> list[tuple[Scalar, ...]]:
    return [(value,) for value in across] or [()]


def _axes(names: Sequence[str], points: Sequence[Mapping[str, Scalar]]) -> dict[str, list[str]]:
    """Parameters by the name of their axis; those that occur together stand for themselves."""
    axes: dict[str, list[str]] = {}
    for name in names:
        axes.setdefault(name.rpartition(".")[2], []).append(name)
    met = (sum(name in point for name in axis) for axis in axes.values() for point in points)
    return {name: [name] for name in names} if any(number > 1 for number in met) else axes


def _place(axes: Mapping[str, list[str]], params: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
    """The value on each axis that the parameters have."""
    return tuple(params[name] for names in axes.values() for name in names if name in params)


def _found(
    axes: Mapping[str, list[str]], trials: Sequence[StoredTrial], metric: Metric
) -> dict[tuple[Scalar, ...], Cell]:
    best = best_of(trials, metric)
    number = None if best is None else best.number
    return {
        _place(axes, trial.params): _cell(trial, number) for trial in sorted(trials, key=_worth)
    }


def _worth(trial: StoredTrial) -> tuple[bool, int]:
    """What stands in a cell that was tried again: a complete trial, else the latest."""
    return trial.state is TrialState.COMPLETE, trial.number


def _cell(trial: StoredTrial, best: int | None) -> Cell:
    return Cell(trial.number, trial.ending, trial.record.scores, best=trial.number == best)
