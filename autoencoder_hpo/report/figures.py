"""A report's figures: scores and learning curves here, the rest in modules of their own."""

from collections.abc import Callable, Sequence

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import (
    COLORS,
    FIELD,
    LEVEL,
    STATES,
    Curve,
    Figure,
    Key,
    Plot,
    Sign,
    axes,
    line,
)
from autoencoder_hpo.report.parallel import parallel
from autoencoder_hpo.report.parameters import importances, slices
from autoencoder_hpo.report.timeline import timeline
from autoencoder_hpo.showcase import plots
from autoencoder_hpo.showcase.notes import reached
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.training.results import EpochResult

FIELD_TRIALS = 200
"""Curves of other trials than the best: more are a grey surface."""


def figures(contents: Contents) -> dict[str, list[Figure]]:
    """By the section that they stand in; those that have nothing to show are left out."""
    found = {
        "history": [_history(contents), _sizes(contents)],
        "curves": [_curves(contents), _losses(contents)],
        "timeline": [timeline(contents)],
        "parameters": [importances(contents), parallel(contents), *slices(contents)],
    }
    return {section: [each for each in some if each] for section, some in found.items()}


# ---- scores ----------------------------------------------------------------------------


def _history(contents: Contents) -> Figure | None:
    if not contents.best:
        return None
    shown = contents.shown
    plot = plots.history(contents.trials, contents.noisy, contents.affine, metric=shown)
    complete, pruned, so_far = plot["data"]
    complete["marker"] = {"color": COLORS[0], "size": 7}
    pruned |= {"marker": {"color": STATES["pruned"], "size": 7, "symbol": "x"}, "opacity": 1.0}
    so_far["line"]["color"] = COLORS[0]
    keys = [
        Key("complete", COLORS[0], "disc"),
        *([Key("pruned", STATES["pruned"], "cross")] if pruned["x"] else []),
        Key("best so far", COLORS[0]),
    ]
    note = (
        f"{shown.short} of each trial's best epoch, in the order of the trials; "
        f"{shown.better} is better."
    )
    values = [reached(trial.record, shown) for trial in contents.trials]
    note += _diverged([value for value in values if value is not None], shown)
    return _leveled("history", "Trials", note, plot, keys)


def _sizes(contents: Contents) -> Figure | None:
    if len(contents.best) < 2:
        return None
    shown = contents.shown
    plot = plots.sizes(contents.trials, contents.noisy, contents.affine, metric=shown)
    keys = []
    for trace, color in zip(plot["data"], COLORS, strict=False):
        trace["marker"] = {"color": color, "size": 8}
        keys.append(Key(trace["name"], color, "disc"))
    note = (
        f"What a larger model buys: {shown.short} of the complete trials against their parameters."
    )
    return _leveled("sizes", "Size", note, plot, keys)


def _leveled(key: str, title: str, note: str, plot: Plot, keys: list[Key]) -> Figure:
    """With the lines to be beaten named in the legend: a label beside them would hide points."""
    given = plot["layout"]
    layout = axes(given["xaxis"]["title"]["text"], given["yaxis"]["title"]["text"])
    layout["xaxis"] |= given["xaxis"]
    layout["shapes"] = given.get("shapes", [])
    signs: tuple[Sign, ...] = ("dot", "dash")
    for shape, label, sign in zip(
        layout["shapes"], given.get("annotations", []), signs, strict=False
    ):
        shape["line"] = {"dash": sign, "color": LEVEL, "width": 1.5}
        keys.append(Key(label["text"], LEVEL, sign))
    return Figure(key, title, note, {"data": plot["data"], "layout": layout}, keys=keys)


# ---- learning --------------------------------------------------------------------------


def _curves(contents: Contents) -> Figure | None:
    best = [trial for trial in contents.best if trial.record.epochs][: len(COLORS)]
    chosen = {trial.number for trial in best}
    others = [t for t in contents.trials if t.number not in chosen and t.record.epochs]
    shown = others[:: -(-len(others) // FIELD_TRIALS) or 1]
    if not best and not shown:
        return None
    metric = contents.shown
    traces = [_joined("other trials", [_heights(trial, metric) for trial in shown])]
    traces += [
        line(f"trial {trial.number}", _heights(trial, metric), color)
        for trial, color in zip(best, COLORS, strict=False)
    ]
    note = (
        f"Validation {metric.short} after each epoch: the best {len(best)} in color, the others "
        "grey."
    )
    if len(shown) < len(others):
        note += f" Of {len(others):,} others, {len(shown)} are shown, evenly spread."
    values = [value for t in [*best, *shown] for value in _curve(t, metric.of)[1] if value]
    note += _diverged(values, metric)
    traces = [trace for trace in traces if trace["x"]]
    keys = [Key(trace["name"], trace["line"]["color"]) for trace in traces]
    plot = {"data": traces, "layout": axes("epoch", metric.axis)}
    return Figure("curves", "Validation", note, plot, wide="half", keys=keys)


def _losses(contents: Contents) -> Figure | None:
    best = [trial for trial in contents.best if trial.record.epochs][:3]
    if not best:
        return None
    traces, keys = [], []
    for trial, color in zip(best, COLORS, strict=False):
        name = f"trial {trial.number}"
        keys.append(Key(name, color))
        train = line(f"{name}, training", _curve(trial, lambda epoch: epoch.train_loss), color)
        train["line"]["dash"] = "dot"
        val_mse = _curve(trial, lambda epoch: epoch.val_mse)
        traces += [line(f"{name}, validation", val_mse, color), train]
    layout = axes("epoch", "")
    layout["yaxis"] |= {"type": "log", "tickformat": "~g", "nticks": 6}
    note = (
        "Training loss (dotted) and validation MSE of the best three. A gap that grows is "
        "overfitting; two high lines that lie close are underfitting."
    )
    plot = {"data": traces, "layout": layout}
    keys += [Key("training loss", LEVEL, "dot"), Key("validation MSE", LEVEL)]
    return Figure("losses", "Training", note, plot, wide="half", keys=keys)


def _curve(trial: StoredTrial, value: Callable[[EpochResult], float]) -> Curve:
    epochs = trial.record.epochs
    return [epoch.epoch for epoch in epochs], [_short(value(epoch)) for epoch in epochs]


def _heights(trial: StoredTrial, metric: Metric) -> Curve:
    epochs, values = _curve(trial, metric.of)
    return epochs, [metric.height(value) for value in values]


def _diverged(values: Sequence[float], metric: Metric) -> str:
    """What a note adds where a value is so low that it is not drawn where it is."""
    lowest = metric.lowest
    if not any(value < lowest for value in values):
        return ""
    return (
        f" Below {lowest:.0f} {metric.axis} lies only what diverged; it is drawn at {lowest:.0f}."
    )


def _short(number: float) -> float:
    """Five digits: enough for a plot, and half of the bytes."""
    return float(f"{number:.5g}")


def _joined(name: str, curves: Sequence[Curve]) -> Plot:
    """All of them as one trace, with gaps between."""
    xs: list[int | None] = []
    ys: list[float | None] = []
    for epochs, values in curves:
        xs += [*epochs, None]
        ys += [*values, None]
    trace = line(name, (xs, ys), FIELD)
    return {**trace, "line": {"color": FIELD, "width": 1}, "hoverinfo": "skip"}
