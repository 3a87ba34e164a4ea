"""Parallel coordinates: every trial as a line through its parameters to its score.

Optuna's own are drawn with WebGL, whose shaders need `unsafe-eval` and do not print; these are
plain lines.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import COLORS, FIELD, Figure, Key, Plot, axes, height, line
from autoencoder_hpo.report.wording import short_names, value
from autoencoder_hpo.storage.records import StoredTrial

FEW = 4
"""Different numbers that are written one by one."""
COLUMN = 85
"""Pixels that a column's labels need."""
LINES = 200
"""Trials that are drawn: more are a grey surface."""

Column = tuple[list[float], Mapping[float, str]]
"""Where each trial's value stands, from 0 to 1, and what is written where."""


def parallel(contents: Contents) -> Figure | None:
    """The best trials in color; None where fewer than two parameters differ."""
    complete = contents.best
    shared = _shared(complete)
    trials = [trial for trial in complete if trial.params.keys() >= set(shared)][:LINES]
    names = [name for name in shared if len({trial.params[name] for trial in trials}) > 1]
    if len(names) < 2:
        return None
    columns = [_parameter(trials, name) for name in names]
    columns.append(_numbers([height(trial, contents.shown) for trial in trials], log=False))
    lines = _lines(trials, [places for places, _ in columns])
    ruled = _ruled(names, [labels for _, labels in columns], contents.shown)
    plot = {"data": lines, "layout": ruled}
    keys = [Key(trace["name"], trace["line"]["color"]) for trace in lines]
    note = (
        f"The best {min(len(COLORS), len(trials))} in color, from their parameters on the left to "
        f"their {contents.shown.short} on the right."
    )
    if len(trials) < len(complete):
        note += f" {len(trials)} of {len(complete)} complete trials; others lack a parameter."
    return Figure(
        "parallel", "Combinations", note, plot, 380, keys=keys, least=COLUMN * len(columns)
    )


def _shared(complete: Sequence[StoredTrial]) -> list[str]:
    """The parameters that most complete trials have: conditional ones leave out the others."""
    met = dict.fromkeys(name for trial in complete for name in trial.params)
    return [n for n in met if 2 * sum(n in trial.params for trial in complete) > len(complete)]


def _lines(trials: Sequence[StoredTrial], columns: Sequence[Sequence[float]]) -> list[Plot]:
    across = list(range(len(columns)))
    heights = list(zip(*columns, strict=True))
    traces = [
        {**line(f"trial {trial.number}", (across, list(places)), color), "hoverinfo": "name"}
        for trial, places, color in zip(trials, heights, COLORS, strict=False)
    ]
    others = heights[len(COLORS) :]
    if others:
        xs = [x for _ in others for x in (*across, None)]
        ys = [y for places in others for y in (*places, None)]
        field = line("other trials", (xs, ys), FIELD)
        traces.insert(0, {**field, "line": {"color": FIELD, "width": 1}, "hoverinfo": "skip"})
    return traces


def _parameter(trials: Sequence[StoredTrial], name: str) -> Column:
    values = [trial.params[name] for trial in trials]
    match trials[0].optuna.distributions[name]:
        case CategoricalDistribution(choices=choices):
            return _steps(values, choices)
        case _ if len(set(values)) <= FEW:
            return _steps(values, sorted(set(values)))
        case found:
            return _numbers(values, log=getattr(found, "log", False))


def _steps(values: Sequence[Any], choices: Sequence[Any]) -> Column:
    met = [choice for choice in choices if choice in values]
    steps = max(1, len(met) - 1)
    places = [met.index(given) / steps for given in values]
    return places, {number / steps: value(choice) for number, choice in enumerate(met)}


def _numbers(values: Sequence[float], *, log: bool) -> Column:
    low, high = min(values), max(values)
    if low == high:
        return [0.0 for _ in values], {0.0: value(low)}
    scale = math.log if log else float
    width = scale(high) - scale(low)
    places = [(scale(given) - scale(low)) / width for given in values]
    return places, {0.0: value(low), 1.0: value(high)}


def _ruled(names: Sequence[str], labels: Sequence[Mapping[float, str]], shown: Metric) -> Plot:
    short = short_names(names)
    layout = axes("", "")
    layout["xaxis"] |= {
        "tickvals": list(range(len(labels))),
        "ticktext": [*(short[name] for name in names), shown.heading],
        "range": [-0.2, len(labels) - 0.4],
    }
    layout["yaxis"] |= {"visible": False, "range": [-0.1, 1.1]}
    layout["annotations"] = [
        {"x": x, "y": y, "text": text, "showarrow": False, "xanchor": "left", "xshift": 3}
        for x, column in enumerate(labels)
        for y, text in column.items()
    ]
    return layout
