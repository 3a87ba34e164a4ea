"""What a terminal shows: rich tables of the values in `status`."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.text import SCORES, count_line, db, duration, gain, mse, score, ssim, verdict

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


def studies_table(summaries: list[dict[str, Any]]) -> Table:
    """`best` has a column of its own where a study improves what nobody sees as a PSNR."""
    metrics = [Metric(summary["objective"]) for summary in summaries]
    several = not all(metric.seen_as_psnr for metric in metrics)
    scores = ("best", "its PSNR") if several else ("best PSNR",)
    table = Table(box=None, header_style="bold")
    for name in ("study", "state", "trials", *scores, "gain"):
        table.add_column(name, justify="left" if name in ("study", "state") else "right")
    for summary, metric in zip(summaries, metrics, strict=True):
        counts, best = summary["counts"], summary["best"] or {}
        of = summary["budget"]["trials"]
        table.add_row(
            summary["study"],
            state_text(summary["state"]),
            f"{counts['complete'] + counts['pruned']}" + (f"/{of}" if of else ""),
            *([metric.shown.named(best.get(metric.shown.value))] if several else []),
            db(best.get("val_psnr")),
            gain(best.get("psnr_gain")),
        )
    return table


def state_text(state: str) -> Text:
    return Text(state, style=COLORS.get(state, ""))


def summary_screen(summary: dict[str, Any]) -> RenderableType:
    """One study: how far it is, and its best denoiser beside the noisy input."""
    lines: list[RenderableType] = [
        Text.assemble((summary["study"], "bold"), ": ", state_text(summary["state"])),
        Text(count_line(summary["counts"], summary["budget"])),
    ]
    if summary["halted"]:
        kind, reason = summary["halted"]["kind"], summary["halted"]["reason"]
        lines.append(Text(f"{kind}: {reason}", style=COLORS[kind]))
    if summary["seconds_left"]:
        lines.append(Text(f"{duration(summary['seconds_left'])} left"))
    lines.append(scores_table(summary))
    lines += [Text(line) for line in verdict(summary)]
    return Group(*lines)


def scores_table(summary: dict[str, Any]) -> Table:
    """Validation scores of the noisy input, the affine filter and the best denoiser."""
    noisy, affine, best = summary["noisy"], summary.get("affine"), summary["best"]
    more = [metric for metric in [Metric(summary["objective"])] if metric.short not in SCORES]
    table = Table(header_style="bold")
    table.add_column("validation images")
    for name in (*SCORES, *(metric.short for metric in more), "gain", "parameters"):
        table.add_column(name, justify="right")
    if noisy["psnr"] is not None:
        table.add_row("noisy input", *_scores(noisy, "", more))
    if affine is not None:
        over = gain(affine["psnr"] - noisy["psnr"])
        table.add_row("affine filter", *_scores(affine, "", more), over)
    if best is None:
        table.add_row("best denoiser", "none yet")
    else:
        table.add_row(
            f"best denoiser (trial {best['number']})",
            *_scores(best, "val_", more),
            gain(best["psnr_gain"]),
            f"{best['parameters']:,}",
            style="bold green",
        )
    return table


def _scores(record: Mapping[str, Any], prefix: str, more: Sequence[Metric]) -> list[str]:
    """As `SCORES` has them, and these metrics; their names in the record begin so."""
    values = [record[f"{prefix}{name.lower()}"] for name in SCORES]
    known = [said(value) for said, value in zip((mse, db, ssim), values, strict=True)]
    return [*known, *(metric.said(record.get(f"{prefix}{metric.key}")) for metric in more)]


def config_panel(config: dict[str, Any], title: str) -> Panel:
    text = yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=90)
    return Panel(Text(text.rstrip()), title=title, title_align="left")


def trial_screen(record: dict[str, Any]) -> RenderableType:
    facts = Table(box=None, show_header=False)
    facts.add_column(style="bold")
    facts.add_column()
    for name in ("state", "reason", "best_epoch", "parameters", "worker", "picture"):
        if record[name] is not None:
            facts.add_row(name.replace("_", " "), str(record[name]))
    if record["health"]:
        facts.add_row("hidden units", hidden_units(record["health"]))
    facts.add_row("seconds", duration(record["seconds"]))
    for name, value in (record["scores"] or {}).items():
        facts.add_row(name, "–" if value is None else f"{value:.5g}")
    for name, value in (record["run"] or {}).items():
        facts.add_row(name, str(value))
    parts: list[RenderableType] = [facts]
    if record["config"]:
        parts.append(config_panel(record["config"], f"trial {record['number']}"))
    parts.append(history_table(record["history"]))
    if record["traceback"]:
        parts.append(Text(record["traceback"], style="dim"))
    return Group(*parts)


def hidden_units(health: Mapping[str, Any]) -> str:
    """What became of them, from `training.health`: shares of all, and of the worst layer."""
    said = f"{health['dead']:.0%} dead ({health['dead_layer']:.0%} of the worst layer)"
    if health["saturated"] is None:
        return said
    flat, layer = health["saturated"], health["saturated_layer"]
    return f"{said}, {flat:.0%} of their values saturated ({layer:.0%})"


def history_table(history: list[dict[str, Any]]) -> Table:
    table = Table(header_style="bold")
    columns = list(history[0]) if history else []
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for row in history:
        table.add_row(*(str(v) if isinstance(v, int) else f"{v:.5g}" for v in row.values()))
    return table


def live_screen(view: dict[str, Any]) -> RenderableType:
    """The table that `run` and `worker` keep on a terminal: see `watch.view`."""
    table = Table(title=f"{view['study']}", title_justify="left", header_style="bold", expand=True)
    for name in ("worker", "trial", "model", "epoch", "PSNR"):
        table.add_column(name, justify="left" if name in ("worker", "model") else "right")
    for row in view["workers"]:
        epochs = f"{row['epoch']}/{row['epochs']}" if row["epochs"] else "–"
        table.add_row(row["worker"], str(row["trial"]), row["model"], epochs, db(row["psnr"]))
    if not view["workers"]:
        table.add_row("starting …")
    of = view["budget"]["trials"]
    best = view["best"] or {}
    line = Text.assemble(
        "best ",
        (score(best, Metric(view["objective"])) if best else "–", "bold green"),
        f" ({gain(best.get('psnr_gain'))})   {duration(view['time_left'])} left",
    )
    done = view["counts"]["complete"] + view["counts"]["pruned"]
    overall = Table.grid(expand=True)  # a bar alone would end without a new line
    overall.add_row(count_line(view["counts"], view["budget"]))
    overall.add_row(line)
    overall.add_row(ProgressBar(total=of, completed=done) if of else "")
    return Group(table, overall)
