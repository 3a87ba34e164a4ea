"""What a report's figures share: plotly figures in JSON, for any background.

Colors of texts and grids are the page's, so that they fit light, dark and paper. The best trials
have colors that color-blind readers can tell apart (Okabe & Ito, 2008), and the others are grey.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.records import StoredTrial

Plot = dict[str, Any]
Width = Literal["whole", "half", "third"]
Sign = Literal["line", "dash", "dot", "disc", "cross", "box"]
Curve = tuple[list[int], list[float]]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
STATES = {"complete": "#0072B2", "pruned": "#E69F00", "fail": "#D55E00", "running": "#009E73"}
FIELD, LEVEL = "rgba(128,128,128,0.4)", "rgb(128,128,128)"


@dataclass(frozen=True, slots=True)
class Key:
    """A legend's entry. The page draws it: plotly's own covers points where a window is narrow."""

    name: str
    color: str
    sign: Sign = "line"


@dataclass(frozen=True, slots=True)
class Figure:
    """`plot`: data and layout for plotly. `height` is in pixels; `wide` is how much of a wide page
    it takes, and below `least` pixels it is scrolled.
    """

    key: str
    title: str
    note: str
    plot: Plot
    height: int = 340
    wide: Width = "whole"
    keys: Sequence[Key] = ()
    least: int = 0


def axes(across: str, up: str) -> Plot:
    """A layout with these titles; no title of its own, which is a heading of the page."""
    return {
        "xaxis": {"title": {"text": across}, "automargin": True},
        "yaxis": {"title": {"text": up}, "automargin": True},
        "showlegend": False,
        "margin": {"l": 55, "r": 15, "t": 15, "b": 45},
    }


def line(name: str, points: tuple[list[Any], list[Any]], color: str) -> Plot:
    return {
        "type": "scatter",
        "mode": "lines" if len(points[0]) > 1 else "markers",
        "name": name,
        "x": points[0],
        "y": points[1],
        "line": {"color": color, "width": 2},
        "marker": {"color": color},
    }


def height(trial: StoredTrial, shown: Metric) -> float:
    """A complete trial's score as it stands in plots."""
    return shown.height(shown.of(trial.record))
