"""The command that turns a finished study into a denoiser: finalize."""

from pathlib import Path
from typing import Annotated

import typer

from autoencoder_hpo.cli.options import (
    AsJson,
    Device,
    Name,
    StorageUrl,
    console,
    open_database,
    print_json,
)

Top = Annotated[int, typer.Option(min=1, help="Best trials to train again.")]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds for each of them.")]
Epochs = Annotated[
    int | None,
    typer.Option(min=1, help="Epochs on all training images; the winner's own if left out."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        metavar="N",
        help="Retrainings side by side; one a GPU or CPU core if left out.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="CPU threads of the last training; all cores if left out."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The bundle; NAME.denoiser here if left out."),
]
SlowImages = Annotated[
    int, typer.Option(min=1, metavar="N", help="Test images for the slow baselines.")
]
Again = Annotated[
    bool, typer.Option("--again", help="Look at the test images once more; it is recorded.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the study's other trials.")]


def finalize(
    name: Name,
    top: Top = 3,
    seeds: Seeds = 3,
    epochs: Epochs = None,
    workers: Workers = None,
    device: Device = None,
    threads: Threads = None,
    out: Out = None,
    slow_images: SlowImages = 200,
    again: Again = False,
    overwrite: Overwrite = False,
    now: Now = False,
    as_json: AsJson = False,
    storage: StorageUrl = None,
) -> None:
    """Choose the study's winner honestly, train it on everything, test it once, and pack it.

    The best trials are trained again and compared image by image; a tie goes to the smaller
    model. The test images are looked at once, and the look is recorded. Ctrl-C stops it, and the
    same command goes on where it was.

    Example: autoencoder-hpo finalize quickstart
    """
    from autoencoder_hpo.finalize.packing import scores_of
    from autoencoder_hpo.finalize.plan import Request
    from autoencoder_hpo.finalize.run import finalize as run
    from autoencoder_hpo.finalize.screen import bars, finalized_screen
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.storage.study import open_study

    request = Request(
        top=top,
        seeds=seeds,
        epochs=epochs,
        workers=workers,
        device=device,
        threads=threads,
        out=out,
        slow_images=slow_images,
        again=again,
        overwrite=overwrite,
        now=now,
    )
    opened = open_study(open_database(storage), name)
    try:
        with bars() as tell:
            result, written = run(opened, request, settings(), tell=tell)
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it was", err=True)
        raise
    if as_json:
        print_json(scores_of(result, opened.study.search.objective.shown))
    else:
        console().print(finalized_screen(result, written))
