"""A study's plots for the dashboard, as plotly figures in JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.showcase.notes import reached

TEMPLATE = {
    "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
    "legend": {"orientation": "h", "y": -0.2},
}


def history(
    records: Sequence[dict[str, Any]],
    noisy: float | None,
    affine: float | None = None,
    *,
    metric: Metric,
) -> dict[str, Any]:
    """The score of every trial, the best so far, and what is to be beaten as lines.

    `metric`: as which people see the study's scores; `noisy` and `affine` are values of it.
    """
    complete = [r for r in records if r["state"] == "complete"]
    known = [value for r in complete if (value := reached(r, metric)) is not None]
    so_far = metric.best_so_far(known)
    pruned = [r for r in records if r["state"] == "pruned"]
    traces = [
        _points("complete", complete, "number", metric),
        _points("pruned", pruned, "number", metric, faint=True),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [r["number"] for r in complete],
            "y": [metric.height(value) for value in so_far],
            "line": {"shape": "hv"},
        },
    ]
    levels = {"noisy input": noisy, "affine filter": affine}
    return _figure(f"Validation {metric.short} of the trials", "trial", traces, levels, metric)


def sizes(
    records: Sequence[dict[str, Any]],
    noisy: float | None,
    affine: float | None = None,
    *,
    metric: Metric,
) -> dict[str, Any]:
    """The score against the number of parameters: what a larger model buys. See `history`."""
    complete = [r for r in records if r["state"] == "complete"]
    kinds = sorted({r["config"]["model"]["kind"] for r in complete})
    traces = [
        _points(
            kind,
            [r for r in complete if r["config"]["model"]["kind"] == kind],
            "parameters",
            metric,
        )
        for kind in kinds
    ]
    levels = {"noisy input": noisy, "affine filter": affine}
    figure = _figure(
        f"Validation {metric.short} against size", "parameters", traces, levels, metric
    )
    figure["layout"]["xaxis"]["type"] = "log"
    return figure


def _points(
    name: str,
    records: Sequence[dict[str, Any]],
    across: str,
    metric: Metric,
    *,
    faint: bool = False,
) -> dict[str, Any]:
    known = [(r, reached(r, metric)) for r in records if r[across] is not None]
    shown = [(r, value) for r, value in known if value is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [r[across] for r, _ in shown],
        "y": [metric.height(value) for _, value in shown],
        "text": [_said(r["number"], value, metric) for r, value in shown],
        "opacity": 0.4 if faint else 1.0,
    }


def _said(number: int, value: float, metric: Metric) -> str:
    low = value < metric.lowest
    return f"trial {number}, {value:,.0f} {metric.axis}" if low else f"trial {number}"


def _figure(
    title: str,
    across: str,
    traces: list[dict[str, Any]],
    levels: Mapping[str, float | None],
    metric: Metric,
) -> dict[str, Any]:
    layout: dict[str, Any] = {
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


def _line(level: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": level,
        "y1": level,
        "line": {"dash": "dash", "color": "grey"},
    }


def _label(name: str, level: float, metric: Metric) -> dict[str, Any]:
    return {
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "y": level,
        "yanchor": "bottom",
        "text": f"{name} {metric.said(level)}",
        "showarrow": False,
    }
