"""A study's plots for the dashboard, as plotly figures in JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.showcase.notes import reached
from autoencoder_hpo.storage.records import StoredTrial

Plot = dict[str, Any]
"""A figure of plotly, or a part of one."""
TEMPLATE: Plot = {
    "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
    "legend": {"orientation": "h", "y": -0.2},
}


def history(
    trials: Sequence[StoredTrial],
    noisy: float | None,
    affine: float | None = None,
    *,
    metric: Metric,
) -> Plot:
    """The score of every trial, the best so far, and what is to be beaten as lines.

    `metric`: as which people see the study's scores; `noisy` and `affine` are values of it.
    """
    complete = [trial for trial in trials if trial.ending == "complete"]
    known = [value for t in complete if (value := reached(t.record, metric)) is not None]
    so_far = metric.best_so_far(known)
    pruned = [trial for trial in trials if trial.ending == "pruned"]
    traces = [
        _points("complete", complete, _number, metric),
        _points("pruned", pruned, _number, metric, faint=True),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [trial.number for trial in complete],
            "y": [metric.height(value) for value in so_far],
            "line": {"shape": "hv"},
        },
    ]
    levels = {"noisy input": noisy, "affine filter": affine}
    return _figure(f"Validation {metric.short} of the trials", "trial", traces, levels, metric)


def sizes(
    trials: Sequence[StoredTrial],
    noisy: float | None,
    affine: float | None = None,
    *,
    metric: Metric,
) -> Plot:
    """The score against the number of parameters: what a larger model buys. See `history`."""
    complete = [trial for trial in trials if trial.ending == "complete"]
    traces = [
        _points(kind, [t for t in complete if t.kind == kind], _parameters, metric)
        for kind in sorted({trial.kind for trial in complete})
    ]
    levels = {"noisy input": noisy, "affine filter": affine}
    figure = _figure(
        f"Validation {metric.short} against size", "parameters", traces, levels, metric
    )
    figure["layout"]["xaxis"]["type"] = "log"
    return figure


def _points(
    name: str,
    trials: Sequence[StoredTrial],
    across: Callable[[StoredTrial], int | None],
    metric: Metric,
    *,
    faint: bool = False,
) -> Plot:
    known = [(t, reached(t.record, metric)) for t in trials if across(t) is not None]
    shown = [(trial, value) for trial, value in known if value is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [across(trial) for trial, _ in shown],
        "y": [metric.height(value) for _, value in shown],
        "text": [_said(trial.number, value, metric) for trial, value in shown],
        "opacity": 0.4 if faint else 1.0,
    }


def _number(trial: StoredTrial) -> int:
    return trial.number


def _parameters(trial: StoredTrial) -> int | None:
    return trial.record.parameters


def _said(number: int, value: float, metric: Metric) -> str:
    low = value < metric.lowest
    return f"trial {number}, {value:,.0f} {metric.axis}" if low else f"trial {number}"


def _figure(
    title: str,
    across: str,
    traces: list[Plot],
    levels: Mapping[str, float | None],
    metric: Metric,
) -> Plot:
    layout: Plot = {
        **TEMPLATE,
        "title": {"text": title},
        "xaxis": {"title": {"text": across}},
        "yaxis": {"title": {"text": metric.axis}},
    }
    known = {name: level for name, level in levels.items() if level is not None}
    if known:
        layout["shapes"] = [_line(level) for level in known.values()]
        layout["annotations"] = [_label(name, level, metric) for name, level in known.items()]
    return {"data": traces, "layout": layout}


def _line(level: float) -> Plot:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": level,
        "y1": level,
        "line": {"dash": "dash", "color": "grey"},
    }


def _label(name: str, level: float, metric: Metric) -> Plot:
    return {
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "y": level,
        "yanchor": "bottom",
        "text": f"{name} {metric.said(level)}",
        "showarrow": False,
    }
