"""A study's plots for the dashboard, as plotly figures in JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from autoencoder_hpo.notes import reached

TEMPLATE = {
    "margin": {"l": 60, "r": 20, "t": 50, "b": 50},
    "legend": {"orientation": "h", "y": -0.2},
}
LOWEST_DB = 0.0
"""No image in [0, 1] is farther from another; what diverges can be, by hundreds of dB."""


def height(psnr: float) -> float:
    """Where a PSNR stands in a plot: one trial that diverged leaves the others their room."""
    return round(max(psnr, LOWEST_DB), 3)


def history(
    records: Sequence[dict[str, Any]], noisy_psnr: float | None, affine_psnr: float | None = None
) -> dict[str, Any]:
    """PSNR of every trial, the best so far, and what is to be beaten as lines."""
    complete = [r for r in records if r["state"] == "complete"]
    best, so_far = float("-inf"), []
    for record in complete:
        best = max(best, reached(record) or best)
        so_far.append(best)
    traces = [
        _points("complete", complete, "number"),
        _points("pruned", [r for r in records if r["state"] == "pruned"], "number", faint=True),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": [r["number"] for r in complete],
            "y": [height(value) for value in so_far],
            "line": {"shape": "hv"},
        },
    ]
    levels = {"noisy input": noisy_psnr, "affine filter": affine_psnr}
    return _figure("Validation PSNR of the trials", "trial", traces, levels)


def sizes(
    records: Sequence[dict[str, Any]], noisy_psnr: float | None, affine_psnr: float | None = None
) -> dict[str, Any]:
    """PSNR against the number of parameters: what a larger model buys."""
    complete = [r for r in records if r["state"] == "complete"]
    kinds = sorted({r["config"]["model"]["kind"] for r in complete})
    traces = [
        _points(kind, [r for r in complete if r["config"]["model"]["kind"] == kind], "parameters")
        for kind in kinds
    ]
    levels = {"noisy input": noisy_psnr, "affine filter": affine_psnr}
    figure = _figure("Validation PSNR against size", "parameters", traces, levels)
    figure["layout"]["xaxis"]["type"] = "log"
    return figure


def _points(
    name: str, records: Sequence[dict[str, Any]], across: str, *, faint: bool = False
) -> dict[str, Any]:
    known = [(r, reached(r)) for r in records if r[across] is not None]
    shown = [(r, psnr) for r, psnr in known if psnr is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [r[across] for r, _ in shown],
        "y": [height(psnr) for _, psnr in shown],
        "text": [_said(r["number"], psnr) for r, psnr in shown],
        "opacity": 0.4 if faint else 1.0,
    }


def _said(number: int, psnr: float) -> str:
    return f"trial {number}" if psnr >= LOWEST_DB else f"trial {number}, {psnr:,.0f} dB"


def _figure(
    title: str, across: str, traces: list[dict[str, Any]], levels: Mapping[str, float | None]
) -> dict[str, Any]:
    layout: dict[str, Any] = {
        **TEMPLATE,
        "title": {"text": title},
        "xaxis": {"title": {"text": across}},
        "yaxis": {"title": {"text": "dB"}},
    }
    known = {name: psnr for name, psnr in levels.items() if psnr is not None}
    if known:
        layout["shapes"] = [_line(psnr) for psnr in known.values()]
        layout["annotations"] = [_label(name, psnr) for name, psnr in known.items()]
    return {"data": traces, "layout": layout}


def _line(psnr: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": psnr,
        "y1": psnr,
        "line": {"dash": "dash", "color": "grey"},
    }


def _label(name: str, psnr: float) -> dict[str, Any]:
    return {
        "xref": "paper",
        "x": 0,
        "xanchor": "left",
        "y": psnr,
        "yanchor": "bottom",
        "text": f"{name} {psnr:.2f} dB",
        "showarrow": False,
    }
