"""The command that uses a finished denoiser: denoise."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoencoder_hpo.cli.options import Device, console, warn

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from autoencoder_hpo.denoise.run import Outcome

_SHOWN = 5  # warnings of one kind
_LISTED = 50  # images that were not restored


def denoise(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A finished denoiser's folder.")],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Images, folders with all below, patterns in quotes, or - for standard input.",
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A folder; for one image also a file, or - for standard output."
        ),
    ],
    device: Device = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Tiles at once; by memory if left out."),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Clean images of the same names: report PSNR and SSIM."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist, originals included.")
    ] = False,
) -> None:
    """Restore images with a denoiser that `finalize` made.

    PNG, JPEG, TIFF, BMP, WebP, PGM, PPM and .npy, of any size; each keeps its format, bit depth
    and metadata. Ends with exit code 1 if any image could not be restored.

    Example: autoencoder-hpo denoise fashion-mnist.denoiser noisy/ restored/
    """
    from autoencoder_hpo.bundle import load_denoiser
    from autoencoder_hpo.denoise.jobs import find_jobs, root_of
    from autoencoder_hpo.denoise.run import Wishes, denoise_all
    from autoencoder_hpo.denoise.writing import check_folder
    from autoencoder_hpo.errors import DataError
    from autoencoder_hpo.training.devices import choose_device

    if clean is not None and not clean.is_dir():
        raise DataError(f"--clean {clean}: no such folder")
    jobs = find_jobs(sources, target)
    if (root := root_of(jobs, target)) is not None:
        check_folder(root)
    denoiser = load_denoiser(bundle, device=choose_device(device))
    wishes = Wishes(overwrite=overwrite, batch=batch, clean=clean)
    outcomes: list[Outcome] = []
    try:
        with _screen(len(jobs)) as screen:
            for outcome in denoise_all(denoiser, jobs, wishes, progress=screen.share):
                outcomes.append(outcome)
                screen.tell(outcome)
    finally:  # also when Ctrl-C has ended it
        _sum_up(outcomes, of=len(jobs), target=target)
    if failed := [outcome for outcome in outcomes if outcome.failure]:
        raise DataError(_failures(failed, of=len(jobs)))


class _Screen:
    """A bar on a terminal, and warnings above it; the first few of each kind."""

    def __init__(self, progress: "Progress | None", number: int) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task("", total=number)
        self._done = 0
        self._warned: Counter[str] = Counter()

    def share(self, share: float) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._done + share)

    def tell(self, outcome: "Outcome") -> None:
        self._done += 1
        self.share(0.0)
        for remark in outcome.remarks:
            self._warned[remark.kind] += 1
            if self._warned[remark.kind] <= _SHOWN:
                self._warn(f"{outcome.job.shown}: {remark.text}")

    def close(self) -> None:
        for kind, number in self._warned.items():
            if number > _SHOWN:
                warn(f"{number - _SHOWN} more warnings about {kind}")

    def _warn(self, text: str) -> None:
        if self._progress is None:
            warn(text)
        else:
            said = f"warning: {text}"
            self._progress.console.print(said, style="yellow", markup=False, soft_wrap=True)


@contextmanager
def _screen(number: int) -> "Iterator[_Screen]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_terminal:
        columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=console, transient=True) as progress:
            screen = _Screen(progress, number)
            yield screen
    else:
        screen = _Screen(None, number)
        yield screen
    screen.close()


def _sum_up(outcomes: "Sequence[Outcome]", *, of: int, target: str) -> None:
    """Scores and a last line; beside the image when that goes to standard output."""
    from rich.console import Console

    piped = target == "-"
    if any(outcome.scores for outcome in outcomes):
        terminal = console().is_terminal and not piped
        screen = Console(stderr=piped) if terminal else Console(stderr=piped, width=120)
        screen.print(_scores_table(outcomes))
    restored = sum(outcome.failure is None for outcome in outcomes)
    where = "standard output" if piped else target
    noun = "image" if of == 1 else "images"
    typer.echo(f"restored {restored} of {of} {noun} to {where}", err=piped)


def _failures(failed: "Sequence[Outcome]", *, of: int) -> str:
    lines = [f"{outcome.job.shown}: {outcome.failure}" for outcome in failed]
    if of == 1:
        return lines[0]
    more = len(lines) - _LISTED
    return "\n  ".join(
        [
            f"{len(lines)} of {of} images were not restored:",
            *lines[:_LISTED],
            *([f"and {more} more"] if more > 0 else []),
        ]
    )


def _scores_table(outcomes: "Sequence[Outcome]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from autoencoder_hpo.denoise.compare import mean_scores
    from autoencoder_hpo.text import db

    table = Table("image", "noisy PSNR", "restored PSNR", "noisy SSIM", "restored SSIM")
    rows = [(outcome.job.name, outcome.scores) for outcome in outcomes if outcome.scores]
    for name, scores in [*rows, (f"mean of {len(rows)}", mean_scores([s for _, s in rows]))]:
        similar = (_ssim(scores.noisy_ssim), _ssim(scores.ssim))
        table.add_row(Text(name), db(scores.noisy_psnr), db(scores.psnr), *similar)
    return table


def _ssim(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
