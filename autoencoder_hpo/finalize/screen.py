"""A finalize in a terminal: its bars while it works, its table at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from autoencoder_hpo.finalize.access import look_line
from autoencoder_hpo.finalize.results import Finalized, Row, Step
from autoencoder_hpo.finalize.wording import interval, signed_interval
from autoencoder_hpo.text import db, gain, mse, ssim

SHOWN_GROUPS = 3


@contextmanager
def bars() -> Iterator[Callable[[Step], None]]:
    """A bar for each part of the work, with the last epoch's PSNR; a line where nobody sees bars.

    On stderr: what is printed in the end may be JSON.
    """
    screen = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[psnr]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as progress:
        known: dict[str, TaskID] = {}
        last: dict[str, str] = {}

        def tell(step: Step) -> None:
            if step.name not in known:
                known[step.name] = progress.add_task(step.said, total=step.of, count="", psnr="")
                if step.of is None and not screen.is_terminal:
                    screen.print(step.said)
            shown = {"count": "" if step.of is None else f"{step.done}/{step.of}"}
            if step.psnr is not None:
                shown["psnr"] = last[step.name] = db(step.psnr)
            elif step.of is not None and step.done == step.of and not screen.is_terminal:
                screen.print(f"{step.said}: {last.get(step.name, 'done before')}")
            progress.update(
                known[step.name],
                description=step.said,
                completed=step.done,
                total=step.of,
                **shown,  # type: ignore[arg-type]  # fields of the columns
            )

        yield tell


def finalized_screen(result: Finalized, out: Path) -> RenderableType:
    """The table, the verdict and what to mind."""
    tested = result.tested
    parts: list[RenderableType] = [scores_table(result)]
    if tested.subset:
        parts.append(
            Text(f"slow methods: on {tested.subset} test images, evenly spread", style="dim")
        )
    for group in tested.groups[:SHOWN_GROUPS]:
        parts.append(Text(f"{group.name}: {db(group.psnr)} ({gain(group.gain)})"))
    if len(tested.groups) > SHOWN_GROUPS:
        parts[-1] = Text.assemble(parts[-1], f"  … the worst of {len(tested.groups)} groups")  # type: ignore[arg-type]
    for each in tested.strengths:
        parts.append(Text(f"{each.noise}: {db(each.psnr)} ({gain(each.gain)})"))
    parts += [Text(line, style="bold") for line in result.verdict]
    parts += [Text(f"warning: {each}", style="yellow") for each in result.warnings]
    parts += [Text(f"look at the test images: {look_line(look)}") for look in result.looks]
    parts.append(Text(f"wrote {out}"))
    return Group(*parts)


def scores_table(result: Finalized) -> Table:
    table = Table(header_style="bold")
    table.add_column(f"{result.tested.images:,} test images")
    for name in ("images", "PSNR", "MSE", "SSIM", "gain", "denoiser's advantage (95%)"):
        table.add_column(name, justify="right")
    for row in result.tested.rows:
        table.add_row(*_cells(row, result), style=_style(row))
    return table


def _cells(row: Row, result: Finalized) -> tuple[str, ...]:
    advantage = "–"
    if row.advantage is not None:
        advantage = f"{row.advantage.mean:+.2f} dB ({signed_interval(row.advantage)})"
    elif row is result.tested.denoiser:
        advantage = f"its PSNR: {interval(result.tested.psnr)}"
    return (
        row.name,
        f"{row.images:,}",
        db(row.psnr),
        mse(row.mse),
        ssim(row.ssim),
        gain(row.gain),
        advantage,
    )


def _style(row: Row) -> str:
    if row.advantage is None:
        return "bold green"
    return "" if row.beaten else "yellow"
