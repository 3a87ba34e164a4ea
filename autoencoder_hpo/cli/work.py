"""Commands that train: run, create, resume, worker."""

import os
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from autoencoder_hpo.cli.options import (
    Device,
    Name,
    Stack,
    StorageUrl,
    StudyPath,
    Workers,
    console,
    open_database,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autoencoder_hpo.processes import Fleet, Slot
    from autoencoder_hpo.stopping import StopFlag
    from autoencoder_hpo.storage.database import Storage
    from autoencoder_hpo.storage.study import StudyHandle
    from autoencoder_hpo.study import StudyFile
    from autoencoder_hpo.worker.batching import NumberFused


def run(
    path: StudyPath,
    workers: Workers = None,
    device: Device = None,
    stack: Stack = "auto",
    storage: StorageUrl = None,
) -> None:
    """Create the study of FILE, or resume it, and work on it here.

    Ctrl-C stops politely: running trials are handed back, and the same command goes on.

    NAME may be that of a shipped study; a stored study of this name goes on.

    Example: autoencoder-hpo run quickstart
    """
    from autoencoder_hpo.study.shipped import find_study

    _pass_on(stack)
    file = find_study(path)
    with _hired(file.study.name, storage, workers, device) as fleet:
        opened = _create_or_agree(open_database(storage), file, device)
        _work_here(opened, fleet)


def create(path: StudyPath, device: Device = None, storage: StorageUrl = None) -> None:
    """Create the study of FILE for workers that run elsewhere.

    Example: autoencoder-hpo create fashion-mnist
    """
    from autoencoder_hpo.study.shipped import find_study

    file = find_study(path)
    opened = _create(open_database(storage), file, device)
    typer.echo(f"created {opened.name}; `autoencoder-hpo worker {opened.name}` works on it")


def resume(
    name: Name,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Raise the budget to this many trials in all.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Work for this much longer, such as 30m or 2h.")
    ] = None,
    workers: Workers = None,
    device: Device = None,
    stack: Stack = "auto",
    storage: StorageUrl = None,
) -> None:
    """Clear a pause or a stop, raise the budget, and work on the study here.

    With --workers 0 the workers that wait elsewhere go on.

    Example: autoencoder-hpo resume quickstart --trials 40
    """
    from autoencoder_hpo.storage.study import clear_halt, open_study, set_budget
    from autoencoder_hpo.study import parse_duration

    _pass_on(stack)
    seconds = None if timeout is None else parse_duration(timeout)
    opened = open_study(open_database(storage), name)
    clear_halt(opened)
    set_budget(opened, trials=trials, timeout=seconds)
    with _hired(name, storage, workers, device) as fleet:
        _work_here(opened, fleet)


def worker(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A study; left out, every study, oldest first."),
    ] = None,
    device: Device = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="CPU threads; all cores if left out.")
    ] = None,
    stack: Stack = "auto",
    storage: StorageUrl = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    held: Annotated[bool, typer.Option("--held", hidden=True)] = False,
) -> None:
    """Work on a study with one worker, on any machine that reaches the database.

    Without a NAME it works on every study that has trials to do, oldest first, and waits for
    new ones. A database server that does not answer yet is waited for. On a machine with several
    GPUs each gets a worker process.

    Example: autoencoder-hpo worker fashion-mnist --storage postgresql+psycopg2://ada@db/studies
    """
    from autoencoder_hpo.errors import StorageError
    from autoencoder_hpo.processes import slots, usable_cores
    from autoencoder_hpo.stopping import StopFlag

    stacking = _pass_on(stack)
    stop = StopFlag()
    places = slots(device, None) if parent is None else []
    if len(places) > 1 and places[0].device.startswith("cuda"):
        _worker_per_gpu(name, storage, places)
        return
    stop.listen()
    if parent is not None:
        stop.follow(parent)
    if held and not _released():
        return
    try:
        database = open_database(storage, stop=stop)
        _work_alone(database, name, device, threads or usable_cores(), stacking, stop, parent)
    except StorageError:
        if not stop():
            raise
        typer.echo("stopped; the database does not answer")


def _worker_per_gpu(name: str | None, storage: str | None, places: "list[Slot]") -> None:
    from autoencoder_hpo.processes import Fleet, attend
    from autoencoder_hpo.settings import settings

    url = storage or settings().storage
    attend(Fleet(name, url, places, settings()), typer.echo)


def _released() -> bool:
    """Import what a worker needs, and wait for a line from the process that started this one.

    False when that has nothing to do, or is gone.
    """
    import autoencoder_hpo.cli.watch
    import autoencoder_hpo.worker.loop  # noqa: F401

    return bool(sys.stdin.readline())


def _work_alone(
    database: "Storage",
    name: str | None,
    device: str | None,
    threads: int,
    stack: "NumberFused",
    stop: "StopFlag",
    parent: int | None,
) -> None:
    from autoencoder_hpo.cli.watch import watched
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.training.devices import choose_device
    from autoencoder_hpo.worker.loop import Worker

    one = Worker(
        database,
        settings=settings(),
        device=choose_device(device),
        threads=threads,
        stop=stop,
        stack=stack,
    )
    if name is None:
        one.serve(lambda line: print(line, flush=True))
        return
    with watched(database, name, console(), stop) if parent is None else nullcontext():
        nothing = one.work_on(name)
    if parent is None:  # else whoever started this worker says how the study stands
        typer.echo("stopped" if nothing is None else f"nothing left to do: {nothing.said}")


def reproduce(
    name: Name,
    trial: Annotated[int, typer.Argument(min=0, metavar="TRIAL", help="A trial's number.")],
    device: Device = None,
    storage: StorageUrl = None,
) -> None:
    """Train a stored trial again, and compare it with what is stored, epoch by epoch.

    On the same CPU, with the same versions, both are identical; elsewhere the best PSNR is to
    agree within 0.25 dB. What differs is said. Exit code 1 when they do not agree.

    Example: autoencoder-hpo reproduce quickstart 3
    """
    from rich.progress import Progress

    from autoencoder_hpo.cli.tables import reproduced_screen
    from autoencoder_hpo.errors import StudyError
    from autoencoder_hpo.inputs import load_inputs
    from autoencoder_hpo.reproduce import reproduce
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.storage.status import find_trial
    from autoencoder_hpo.storage.study import open_study
    from autoencoder_hpo.training.devices import choose_device

    opened = open_study(open_database(storage), name)
    stored = find_trial(opened, trial)
    chosen = choose_device(device)
    inputs = load_inputs(opened.file, settings(), chosen)
    screen = console()
    with Progress(console=screen, transient=True) as progress:
        bar = progress.add_task("epochs", total=len(stored.record.epochs))
        again = reproduce(
            opened, stored, inputs, chosen, epoch_done=lambda _: progress.advance(bar)
        )
    screen.print(
        reproduced_screen(
            len(again.stored), again.identical, again.best, again.differences, again.metric
        )
    )
    if not again.reproduced:
        raise StudyError(f"study {name}", [f"trial {trial} does not come to the same again"])


# ---- what the commands share -----------------------------------------------------------


def _pass_on(stack: str) -> "NumberFused":
    """What --stack says; workers that this process starts are to follow it too."""
    is_number = stack.isascii() and stack.isdigit() and 1 <= int(stack) <= 1024
    if stack != "auto" and not is_number:
        raise typer.BadParameter(f"--stack {stack}: give auto, or a number from 1 to 1024")
    os.environ["AUTOENCODER_HPO_STACK"] = stack
    return int(stack) if is_number else "auto"


def _create_or_agree(database: "Storage", file: "StudyFile", device: str | None) -> "StudyHandle":
    from autoencoder_hpo.storage.study import agree_with, names, open_study
    from autoencoder_hpo.study import differences

    if file.study.name not in names(database):
        return _create(database, file, device)
    opened = open_study(database, file.study.name)
    if file.shipped and differences(opened.study, file.study):
        warn(f"the stored study {opened.name} goes on; it is not the one that is shipped")
        return opened
    agree_with(opened, file)
    return opened


def _create(database: "Storage", file: "StudyFile", device: str | None) -> "StudyHandle":
    from autoencoder_hpo.inputs import check_models, check_objective, describe, load_inputs
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.storage.study import create_study, refuse_taken
    from autoencoder_hpo.training.devices import choose_device

    refuse_taken(database, file)  # before the images are read, which may take a while
    choose_device(device)  # a wrong device is said before the study exists
    inputs = load_inputs(file, settings(), choose_device("cpu"))
    for skipped in inputs.images.skipped:
        warn(f"left out: {skipped}")
    check_objective(file, inputs)
    check_models(file, inputs)
    return create_study(database, file, describe(inputs))


@contextmanager
def _hired(
    name: str, storage: str | None, workers: int | None, device: str | None
) -> "Iterator[Fleet]":
    """Worker processes, which start while the study is made ready for them."""
    from autoencoder_hpo.processes import Fleet, slots
    from autoencoder_hpo.settings import settings

    url = storage or settings().storage
    if url and url.startswith("sqlite"):
        if workers is not None and workers > 1:
            raise typer.BadParameter("SQLite serves one worker; use PostgreSQL for more")
        workers = 1 if workers is None else workers
    fleet = Fleet(name, url, slots(device, workers), settings(), held=True)
    try:
        yield fleet
    finally:
        fleet.dismiss()


def _work_here(opened: "StudyHandle", fleet: "Fleet") -> None:
    from autoencoder_hpo.cli.watch import work

    screen = console()
    if len(fleet) and not work(opened, fleet, screen):
        screen.print(f"stopped; `autoencoder-hpo resume {opened.name}` goes on")
    _say_result(opened)


def _say_result(opened: "StudyHandle") -> None:
    from autoencoder_hpo.cli.tables import summary_screen
    from autoencoder_hpo.errors import StudyError
    from autoencoder_hpo.storage.status import summary

    known = summary(opened)
    screen = console()
    screen.print(summary_screen(known))
    if known.best and (picture := known.best.trial.record.picture):
        screen.print(f"noisy | restored | clean: {picture}", soft_wrap=True)
    halt = known.halt
    if halt is not None and not halt.by_hand:
        raise StudyError(
            f"study {opened.name}",
            [f"{halt.reason}; mend the cause, then `autoencoder-hpo resume {opened.name}`"],
        )
