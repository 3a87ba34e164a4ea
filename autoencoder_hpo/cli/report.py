"""The command that shows what happened in a study: report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from autoencoder_hpo.cli.options import StorageUrl, console, open_database

if TYPE_CHECKING:
    from autoencoder_hpo.config.metric import Metric
    from autoencoder_hpo.report.contents import Contents
    from autoencoder_hpo.report.grids import Grid


def report(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="A study's name; several are compared."),
    ],
    form: Annotated[
        Literal["html", "md", "json", "csv"] | None,
        typer.Option("--format", help="html if left out; md, json and csv have no pictures."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="NAME.report.html here if left out; - prints it."),
    ] = None,
    storage: StorageUrl = None,
) -> None:
    """Write a study's report: one page with everything worth looking at, which works offline.

    An older report of the same name is replaced; no other file is.

    Example: autoencoder-hpo report quickstart
    """
    from datetime import UTC, datetime

    from autoencoder_hpo.report import target
    from autoencoder_hpo.report.formats import render
    from autoencoder_hpo.report.gathering import gather
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.showcase.store import open_store
    from autoencoder_hpo.storage.study import open_study

    names = list(dict.fromkeys(names))
    chosen, path = target.choose(names, form, out)
    target.refuse(path, chosen)
    database, store, now = open_database(storage), open_store(settings()), datetime.now(UTC)
    studies = [gather(open_study(database, name), store=store, now=now) for name in names]
    text = render(studies, chosen)
    if path == target.STDOUT:
        typer.echo(text, nl=False)
        return
    size = target.write(path, text)
    _show_grids(studies)
    typer.echo(f"wrote {path} ({_size(size)})")


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number / 1e3:.1f} kB"


def _show_grids(studies: list["Contents"]) -> None:
    for contents in studies:
        if contents.grid is not None:
            for measure in contents.grid.measures:
                _show_grid(contents.grid, measure, f"{contents.name}: {measure.label}")


def _show_grid(grid: "Grid", measure: "Metric", title: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from autoencoder_hpo.report.wording import value

    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column(grid.down + (f" ↓ {grid.across} →" if grid.across else ""))
    for column in [value(given) for given in grid.across_values] or [title]:
        table.add_column(column, justify="right")
    for given, cells in zip(grid.down_values, grid.cells, strict=True):
        shown = [
            Text("–") if cell is None
            else Text(cell.shown(measure), style="bold green" if cell.best else "")
            for cell in cells
        ]  # fmt: skip
        table.add_row(value(given), *shown)
    console().print(table)
