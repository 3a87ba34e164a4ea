"""Several studies beside each other, and whether their scores may be compared at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import COLORS, Figure, Key, Plot, Sign, axes, height, line

SIGNS: dict[str, Sign] = {"solid": "line", "dash": "dash", "dot": "dot"}
DASHES = tuple(SIGNS)


@dataclass(frozen=True, slots=True)
class Row:
    """A study's best trial; None for what there is not. PSNR and gains are in dB.

    `seconds`: of training, by all trials together. `best`: no other study's is better.
    """

    study: str
    state: str
    trials: int
    seconds: float
    trial: int | None
    model: str | None
    psnr: float | None
    gain: float | None
    affine_gain: float | None
    ssim: float | None
    mse: float | None
    parameters: int | None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    metric: Metric
    """In which they are compared."""
    studies: Sequence[Contents]
    rows: Sequence[Row]
    warnings: Sequence[str]
    made: datetime


def compare(studies: Sequence[Contents]) -> Comparison:
    """Rows in the order given."""
    warnings, metric = _warnings(studies), _common([each.shown for each in studies])
    known = [value for each in studies if (value := each.summary.best_by(metric)) is not None]
    top = metric.best(known) if not warnings else None
    rows = [_row(each, metric, top) for each in studies]
    return Comparison(metric, studies, rows, warnings, studies[0].made)


def _common(metrics: Sequence[Metric]) -> Metric:
    """What all studies show; PSNR, which all have, where they differ."""
    first = metrics[0]
    return first if all(each is first for each in metrics) else Metric.VAL_PSNR


def _row(contents: Contents, metric: Metric, top: float | None) -> Row:
    known, best = contents.summary, contents.summary.best
    reached, size = known.best_by(metric), None if best is None else best.trial.record.parameters
    scores = None if best is None else best.level
    return Row(
        study=contents.name,
        state=known.state,
        trials=known.counts.finished,
        seconds=contents.saved.seconds,
        trial=best.number if best else None,
        model=best.trial.kind if best else None,
        psnr=scores.psnr if scores else None,
        gain=known.best_gain,
        affine_gain=best.affine_gain if best else None,
        ssim=scores.ssim if scores else None,
        mse=scores.mse if scores else None,
        parameters=size,
        best=reached is not None and reached == top,
    )


def _warnings(studies: Sequence[Contents]) -> list[str]:
    """Why scores of one study say nothing about another's; each names those that differ."""
    first, *others = studies
    data = [each.name for each in others if each.facts.data.hash != first.facts.data.hash]
    found = []
    if data:
        found.append(f"{_and(data)} did not have the images of {first.name}.")
    for each in others:
        differ = _differences(first, each)
        if differ:
            found.append(f"{each.name} has another task than {first.name}: {', '.join(differ)}.")
    return found


def _differences(one: Contents, other: Contents) -> list[str]:
    """The fields of the task in which two studies differ; epochs are no matter of the scores."""
    task, its = (each.facts.study.task.model_dump(mode="json") for each in (one, other))
    return [name for name in task if name != "epochs" and task[name] != its[name]]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def progress(comparison: Comparison) -> Figure | None:
    """The best so far against the trials, a line for each study."""
    metric = comparison.metric
    traces = [
        _so_far(
            contents,
            metric,
            COLORS[place % len(COLORS)],
            DASHES[place // len(COLORS) % len(DASHES)],
        )
        for place, contents in enumerate(comparison.studies)
        if contents.best
    ]
    if not traces:
        return None
    layout = axes("trial", metric.axis)
    note = f"The best {metric.label} so far, against the number of the trial that reached it."
    keys = [
        Key(each["name"], each["line"]["color"], SIGNS[each["line"]["dash"]]) for each in traces
    ]
    plot = {"data": traces, "layout": layout}
    return Figure("progress", "Progress", note, plot, 420, keys=keys)


def _so_far(contents: Contents, metric: Metric, color: str, dash: str) -> Plot:
    complete = sorted(contents.best, key=lambda trial: trial.number)
    values = [height(trial, metric) for trial in complete]
    heights = metric.best_so_far(values)
    trace = line(contents.name, ([trial.number for trial in complete], heights), color)
    trace["line"] |= {"shape": "hv", "dash": dash}
    return {**trace, "mode": "lines+markers", "marker": {"color": color, "size": 5}}
