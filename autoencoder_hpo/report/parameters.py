"""Which parameters matter, and which of their values did well."""

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import COLORS, Figure, Plot, axes, height
from autoencoder_hpo.report.wording import short_names
from autoencoder_hpo.storage.records import StoredTrial

FEWEST = 10
"""Complete trials below which importances are chance."""
GOOD = 5
"""Trials that count as good ones, at least, for importances (as Optuna recommends)."""
SHOWN = 0.005
"""Shares below it are drawn as nothing, and left out."""
SLICES, POINTS = 9, 4
"""Parameters that have a figure of their own, and complete trials that each must have."""
FEW = 4
"""Different numbers that are written at the axis one by one."""
LATER = [[0, "#a6cee8"], [1, "#0072B2"]]
"""Colors of points from the first trial to the last."""


def weights(contents: Contents) -> dict[str, float]:
    """How much each parameter decides whether a trial is a good one; they add up to 1.

    Conditional parameters count too (PED-ANOVA: Watanabe et al., 2023). Empty where there are
    too few trials to say.
    """
    complete = contents.best
    if len(complete) < FEWEST or not any(trial.params for trial in complete):
        return {}
    share = max(0.1, GOOD / len(complete))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=share)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            return get_param_importances(_in_memory(contents), evaluator=evaluator)
        except UserWarning:  # Optuna says so where the trials are too alike to tell
            return {}


def importances(contents: Contents) -> Figure | None:
    found = weights(contents)
    if not found:
        return None
    names = short_names(found)
    least_first = [name for name, share in found.items() if share >= SHOWN][::-1]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [names[name] for name in least_first],
        "x": [round(found[name], 4) for name in least_first],
        "text": [f"{found[name]:.0%}" for name in least_first],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": COLORS[0]},
        "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }
    layout = axes("", "")
    room = 1.15  # for the number beside the longest bar
    layout["xaxis"] |= {"tickformat": ".0%", "range": [0, room * found[least_first[-1]]]}
    note = (
        "How much each parameter decides whether a trial is among the good ones, from "
        f"{len(contents.best)} complete trials (PED-ANOVA). With few trials this is rough."
    )
    plot = {"data": [bars], "layout": layout}
    return Figure("importances", "Importance", note, plot, 80 + 28 * len(least_first))


def slices(contents: Contents) -> list[Figure]:
    """The score against each parameter, the ones that matter most first."""
    met = Counter(name for trial in contents.best for name in trial.params)
    names = [n for n in dict.fromkeys([*weights(contents), *met]) if met[n] >= POINTS]
    study, short = _in_memory(contents), short_names(met)
    shown = contents.shown
    return [
        _slice(study, name, short[name], place, shown) for place, name in enumerate(names[:SLICES])
    ]


def _slice(study: optuna.Study, name: str, short: str, place: int, shown: Metric) -> Figure:
    from optuna.visualization import plot_slice  # imports plotly, which takes a second

    figure = plot_slice(
        study,
        [name],
        target=lambda trial: height(StoredTrial.of(trial), shown),
        target_name=shown.axis,
    )
    drawn: Plot = json.loads(figure.to_json())
    for trace in drawn["data"]:
        trace["marker"] |= {"showscale": False, "size": 7, "colorscale": LATER}
    layout = axes("", shown.axis)
    layout["xaxis"] |= _across(drawn["layout"]["xaxis"], drawn["data"][0]["x"])
    layout["margin"] = {"l": 50, "r": 10, "t": 10, "b": 35}
    plot = {"data": drawn["data"], "layout": layout}
    return Figure(f"slice-{place}", short, name, plot, 230, wide="third")


def _across(axis: Plot, values: Sequence[Any]) -> Plot:
    """Without its title, which is a heading here; Optuna writes labels as Python does."""
    known = {key: given for key, given in axis.items() if key != "title"}
    if "categoryarray" in known:
        labels = known["categoryarray"]
        known |= {"tickvals": labels, "ticktext": [label.strip("'") for label in labels]}
    elif len(set(values)) <= FEW:
        known["tickvals"] = sorted(set(values))
    return known | {"exponentformat": "power", "nticks": 4}


def _in_memory(contents: Contents) -> optuna.Study:
    """The complete trials as Optuna's own functions want them."""
    study = optuna.create_study(direction=contents.objective.direction)
    study.add_trials([t.optuna for t in sorted(contents.best, key=lambda each: each.number)])
    return study
