"""What a terminal shows: rich tables of the values in `status`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Summary, history_json
from autoencoder_hpo.storage.wording import count_line, verdict
from autoencoder_hpo.text import SCORES, db, duration, gain, mse, number, score, ssim
from autoencoder_hpo.training.results import Health, Level

COLORS = {
    "done": "green",
    "running": "cyan",
    "stopped": "red",
    "paused": "yellow",
    "timed out": "yellow",
    "plateau": "green",
}


def reproduced_screen(
    epochs: int,
    identical: bool,
    best: tuple[float, float],
    differences: list[str],
    metric: Metric,
) -> RenderableType:
    """A stored trial against the same one trained again; `best`: of this metric, then and now."""
    then, now = best
    verdict = (
        Text(f"identical in all {epochs} epochs", style="green")
        if identical
        else Text(f"{epochs} epochs, not identical: {_changed(now - then, metric)}", style="yellow")
    )
    said = f"best {metric.short} {metric.said(then)} then, {metric.said(now)} now"
    lines = [Text(said), verdict]
    lines += [Text(f"differs: {line}") for line in differences]
    return Group(*lines)


def _changed(by: float, metric: Metric) -> str:
    return f"best {metric.short} {metric.said(by, signed=True, more=1)}"


def studies_table(summaries: Sequence[Summary]) -> Table:
    """`best` has a column of its own where a study improves what nobody sees as a PSNR."""
    several = not all(known.objective.seen_as_psnr for known in summaries)
    scores = ("best", "its PSNR") if several else ("best PSNR",)
    table = Table(box=None, header_style="bold")
    for name in ("study", "state", "trials", *scores, "gain"):
        table.add_column(name, justify="left" if name in ("study", "state") else "right")
    for known in summaries:
        of, shown = known.budget.trials, known.objective.shown
        table.add_row(
            known.study,
            state_text(known.state),
            f"{known.counts.finished}" + (f"/{of}" if of else ""),
            *([shown.named(known.best_by(shown))] if several else []),
            db(known.best_by(Metric.VAL_PSNR)),
            gain(known.best_gain),
        )
    return table


def state_text(state: str) -> Text:
    return Text(state, style=COLORS.get(state, ""))


def summary_screen(known: Summary) -> RenderableType:
    """One study: how far it is, and its best denoiser beside the noisy input."""
    lines: list[RenderableType] = [
        Text.assemble((known.study, "bold"), ": ", state_text(known.state)),
        Text(count_line(known)),
    ]
    if known.halt:
        style = COLORS[known.halt.kind]
        lines.append(Text(f"{known.halt.kind}: {known.halt.reason}", style=style))
    if known.seconds_left:
        lines.append(Text(f"{duration(known.seconds_left)} left"))
    lines.append(scores_table(known))
    lines += [Text(line) for line in verdict(known)]
    return Group(*lines)


def scores_table(known: Summary) -> Table:
    """Validation scores of the noisy input, the affine filter and the best denoiser."""
    noisy, affine, best = known.noisy, known.affine, known.best
    more = [metric for metric in [known.objective] if metric.short not in SCORES]
    table = Table(header_style="bold")
    table.add_column("validation images")
    for name in (*SCORES, *(metric.short for metric in more), "gain", "parameters"):
        table.add_column(name, justify="right")
    if noisy.psnr is not None:
        also = (metric.said(noisy.by(metric)) for metric in more)
        table.add_row("noisy input", *_scores(noisy), *also)
    if affine is not None:
        also = (metric.said(affine.level.by(metric)) for metric in more)
        table.add_row("affine filter", *_scores(affine.level), *also, gain(affine.over(noisy)))
    if best is None:
        table.add_row("best denoiser", "none yet")
    else:
        table.add_row(
            f"best denoiser (trial {best.number})",
            *_scores(best.level),
            *(metric.said(best.by(metric)) for metric in more),
            gain(best.psnr_gain),
            number(best.trial.record.parameters),
            style="bold green",
        )
    return table


def _scores(level: Level) -> list[str]:
    """As `SCORES` has them."""
    return [mse(level.mse), db(level.psnr), ssim(level.ssim)]


def config_panel(config: Mapping[str, Any], title: str) -> Panel:
    text = yaml.safe_dump({**config}, sort_keys=False, default_flow_style=None, width=90)
    return Panel(Text(text.rstrip()), title=title, title_align="left")


def trial_screen(trial: StoredTrial) -> RenderableType:
    """All that is stored of a trial."""
    facts = Table(box=None, show_header=False)
    facts.add_column(style="bold")
    facts.add_column()
    for name, value in _facts(trial):
        facts.add_row(name, value)
    parts: list[RenderableType] = [facts]
    if trial.record.config:
        parts.append(config_panel(trial.record.config, f"trial {trial.number}"))
    parts.append(history_table(history_json(trial)))
    if trial.record.traceback:
        parts.append(Text(trial.record.traceback, style="dim"))
    return Group(*parts)


def _facts(trial: StoredTrial) -> list[tuple[str, str]]:
    record = trial.record
    known = {
        "state": trial.ending,
        "reason": record.reason,
        "best epoch": record.best_epoch,
        "parameters": record.parameters,
        "worker": record.worker,
        "picture": record.picture,
        "hidden units": None if record.health is None else hidden_units(record.health),
        "seconds": duration(record.seconds),
    }
    scores = {} if record.scores is None else record.scores.as_record()
    run = {} if record.run is None else record.run.as_record()
    return [
        *((name, str(value)) for name, value in known.items() if value is not None),
        *((name, "–" if value is None else f"{value:.5g}") for name, value in scores.items()),
        *((name, str(value)) for name, value in run.items()),
    ]


def hidden_units(health: Health) -> str:
    """What became of them: shares of all, and of the worst layer."""
    said = f"{health.dead:.0%} dead ({health.dead_layer:.0%} of the worst layer)"
    if health.saturated is None or health.saturated_layer is None:
        return said
    return (
        f"{said}, {health.saturated:.0%} of their values saturated ({health.saturated_layer:.0%})"
    )


def history_table(history: Sequence[Mapping[str, float]]) -> Table:
    """A row for each epoch, whatever is known of it."""
    table = Table(header_style="bold")
    columns = list(history[0]) if history else []
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for row in history:
        table.add_row(*(str(v) if isinstance(v, int) else f"{v:.5g}" for v in row.values()))
    return table


@dataclass(frozen=True, slots=True)
class AtWork:
    """A worker and what it trains; PSNR is in dB."""

    worker: str
    trial: int
    model: str
    epoch: int
    epochs: int
    psnr: float | None


@dataclass(frozen=True, slots=True)
class View:
    """What the live table shows; `time_left` is in seconds."""

    summary: Summary
    workers: Sequence[AtWork]
    time_left: float | None


def live_screen(view: View) -> RenderableType:
    """The table that `run` and `worker` keep on a terminal."""
    known = view.summary
    table = Table(title=f"{known.study}", title_justify="left", header_style="bold", expand=True)
    for name in ("worker", "trial", "model", "epoch", "PSNR"):
        table.add_column(name, justify="left" if name in ("worker", "model") else "right")
    for row in view.workers:
        epochs = f"{row.epoch}/{row.epochs}" if row.epochs else "–"
        table.add_row(row.worker, str(row.trial), row.model, epochs, db(row.psnr))
    if not view.workers:
        table.add_row("starting …")
    of, best = known.budget.trials, known.best
    line = Text.assemble(
        "best ",
        (score(known.objective, best.scores) if best else "–", "bold green"),
        f" ({gain(known.best_gain)})   {duration(view.time_left)} left",
    )
    overall = Table.grid(expand=True)  # a bar alone would end without a new line
    overall.add_row(count_line(known))
    overall.add_row(line)
    overall.add_row(ProgressBar(total=of, completed=known.counts.finished) if of else "")
    return Group(table, overall)
