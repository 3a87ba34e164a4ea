"""When each worker trained what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import TrialState

from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import FIELD, STATES, Figure, Key, Plot, axes
from autoencoder_hpo.storage.records import StoredTrial


@dataclass(frozen=True, slots=True)
class Span:
    """A trial's time, in seconds since the first one of the study began."""

    number: int
    state: str
    worker: str
    start: float
    seconds: float


def spans(trials: Sequence[StoredTrial], now: datetime) -> list[Span]:
    """The trials that began; one that runs lasts until now.

    One that was handed back waits again, and is nobody's.
    """
    now = now.replace(tzinfo=None)  # Optuna's times have no zone; they are UTC, as `cli` sees to
    begun = [
        (trial, trial.began)
        for trial in trials
        if trial.began is not None and trial.state is not TrialState.WAITING
    ]
    first = min((start for _, start in begun), default=now)
    return [
        Span(
            number=trial.number,
            state=trial.ending,
            worker=trial.record.worker or "unknown",
            start=(start - first).total_seconds(),
            seconds=max(0.0, ((trial.ended or now) - start).total_seconds()),
        )
        for trial, start in begun
    ]


def timeline(contents: Contents) -> Figure | None:
    """Bars of the trials, a row for each worker."""
    found = spans(contents.trials, contents.made)
    if not found:
        return None
    workers = list(dict.fromkeys(span.worker for span in found))
    rows = {worker: f"worker {number}" for number, worker in enumerate(workers, 1)}
    states = dict.fromkeys([*STATES, *(span.state for span in found)])
    unit, seconds = _unit(max(span.start + span.seconds for span in found))
    traces = [
        _bars(state, [span for span in found if span.state == state], rows, unit, seconds)
        for state in states
    ]
    layout = axes(f"{unit} since the first trial began", "")
    layout |= {"barmode": "overlay", "bargap": 0.3}
    layout["yaxis"] |= {"type": "category", "categoryarray": [*rows.values()][::-1]}
    note = "Each bar is a trial, each row a worker; a gap is a worker without a trial."
    traces = [trace for trace in traces if trace["x"]]
    keys = [Key(trace["name"], trace["marker"]["color"], "box") for trace in traces]
    plot, height = {"data": traces, "layout": layout}, 100 + 26 * len(workers)
    return Figure("timeline", "Timeline", note, plot, height, keys=keys)


def _unit(seconds: float) -> tuple[str, float]:
    """What a person would count so long a time in, and how many seconds it has."""
    if seconds > 3 * 3600:
        return "hours", 3600.0
    return ("minutes", 60.0) if seconds > 180 else ("seconds", 1.0)


def _bars(
    state: str, found: Sequence[Span], rows: dict[str, str], unit: str, seconds: float
) -> Plot:
    return {
        "type": "bar",
        "orientation": "h",
        "name": "failed" if state == "fail" else state,
        "y": [rows[span.worker] for span in found],
        "base": [round(span.start / seconds, 3) for span in found],
        "x": [round(span.seconds / seconds, 3) for span in found],
        "customdata": [[span.number, span.worker] for span in found],
        "hovertemplate": f"trial %{{customdata[0]}}: %{{x:.3~g}} {unit}<br>%{{customdata[1]}}",
        "marker": {"color": STATES.get(state, FIELD)},
    }
