"""The report as Markdown, for a README or a pull request."""

from optuna.trial import TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.comparing import Comparison
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.grids import Cell, Grid
from autoencoder_hpo.report.origins import commands, environments
from autoencoder_hpo.report.tables import best_table, own_columns
from autoencoder_hpo.report.wording import (
    audited,
    clipped,
    moment,
    no_findings,
    reasons,
    saving,
    value,
    verdict,
)
from autoencoder_hpo.showcase.notes import one_line, table
from autoencoder_hpo.text import db, duration, gain, mse, number, ssim
from autoencoder_hpo.training.results import Level

MARK = "<!-- autoencoder-hpo report -->"


def markdown(contents: Contents) -> str:
    parts = [
        MARK,
        f"# {one_line(contents.name)}",
        " ".join(one_line(sentence) for sentence in verdict(contents)),
        "## Best trials",
        _scores(contents),
        *_grid(contents.grid),
        "## Diagnosis",
        _findings(contents),
        "## Time and pruning",
        " ".join(filter(None, (_spent(contents), saving(contents), audited(contents)))),
        *_failures(contents),
        "## Reproduce",
        _reproduce(contents),
        f"Made on {moment(contents.made)}.",
    ]
    return "\n\n".join(parts) + "\n"


def comparison_markdown(comparison: Comparison) -> str:
    header = ("study", "state", "best", "PSNR", "gain", "SSIM", "MSE", "trials", "training")
    by = comparison.metric.short
    rows = [
        (
            _marked(one_line(each.study), each.best and by not in header),
            each.state,
            "–" if each.trial is None else f"trial {each.trial}, {each.model}",
            _marked(db(each.psnr), each.best and by == header[3]),
            gain(each.gain),
            _marked(ssim(each.ssim), each.best and by == header[5]),
            _marked(mse(each.mse), each.best and by == header[6]),
            f"{each.trials:,}",
            duration(each.seconds),
        )
        for each in comparison.rows
    ]
    warnings = [f"**Not comparable:** {one_line(said)}" for said in comparison.warnings]
    parts = [
        MARK,
        "# Comparison",
        *warnings,
        table(header, rows),
        f"Made on {moment(comparison.made)}.",
    ]
    return "\n\n".join(parts) + "\n"


def _scores(contents: Contents) -> str:
    noisy, affine = contents.facts.data.noisy, contents.facts.data.affine
    more = own_columns(contents)
    own = [metric.short for metric in more]
    header = (
        "validation images", "model", "PSNR", "gain", "SSIM", "MSE", *own, "parameters", "tried"
    )  # fmt: skip
    blank = ("",) * (2 + len(own))
    rows: list[tuple[str, ...]] = []
    if noisy.psnr is not None:
        rows.append(("noisy input", "", *_level(noisy, ""), *blank))
    if affine:
        rows.append(("affine filter", "", *_level(affine.level, gain(affine.over(noisy))), *blank))
    rows += [
        (
            f"trial {each.trial.number}",
            each.trial.kind,
            *_level(each.best.level, gain(each.best.psnr_gain)),
            *(metric.said(each.best.by(metric)) for metric in more),
            number(each.trial.record.parameters),
            one_line(each.tried),
        )
        for each in best_table(contents)
    ]
    return table(header, rows)


def _level(level: Level, over: str) -> tuple[str, str, str, str]:
    return db(level.psnr), over, ssim(level.ssim), mse(level.mse)


def _grid(grid: Grid | None) -> list[str]:
    if grid is None:
        return []
    return ["## The grid", *(_grid_table(grid, measure) for measure in grid.measures)]


def _grid_table(grid: Grid, measure: Metric) -> str:
    header = [f"{measure.label}: {grid.down}" + (f" ↓ {grid.across} →" if grid.across else "")]
    header += [value(given) for given in grid.across_values] or [measure.label]
    rows = [
        [value(given), *(_shown(cell, measure) for cell in cells)]
        for given, cells in zip(grid.down_values, grid.cells, strict=True)
    ]
    return table([one_line(title) for title in header], rows)


def _shown(cell: Cell | None, measure: Metric) -> str:
    return "–" if cell is None else _marked(cell.shown(measure), cell.best)


def _marked(shown: str, best: bool) -> str:
    return f"**{shown}**" if best else shown


def _findings(contents: Contents) -> str:
    if not contents.findings:
        return no_findings(contents)
    lines = []
    for finding in contents.findings:
        lines.append(
            f"- **{finding.kind}** ({one_line(finding.about)}, {finding.sure}): "
            f"{one_line(finding.seen)} {one_line(finding.remedy)}"
        )
        if finding.change:
            lines.append(f"  `{finding.change}`")
    return "\n".join(lines)


def _spent(contents: Contents) -> str:
    spent = contents.saved
    return f"{duration(spent.seconds)} of training in {spent.epochs:,} epochs."


def _failures(contents: Contents) -> list[str]:
    found = reasons(contents.trials, TrialState.FAIL)
    if not found:
        return []
    lines = [
        f"- {', '.join(map(str, numbers))}: {one_line(clipped(reason))}"
        for reason, numbers in found.items()
    ]
    return ["## Failed trials", "\n".join(lines)]


def _reproduce(contents: Contents) -> str:
    lines = [f"- `{command}`: {does}" for command, does in commands(contents)]
    lines.append(f"- images: content hash `{contents.facts.data.hash}`")
    for each in environments(contents.trials):
        known = ", ".join(f"{name} {fact}" for name, fact in each.facts.items())
        lines.append(f"- trained with ({each.trials}): {one_line(known)}")
    return "\n".join(lines)
