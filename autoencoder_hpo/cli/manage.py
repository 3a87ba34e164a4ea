"""Commands that look at studies, steer their workers, or delete them."""

from typing import Annotated, Literal

import typer

from autoencoder_hpo.cli.options import (
    AsJson,
    Name,
    StorageUrl,
    console,
    open_database,
    print_json,
    warn,
)


def list_(as_json: AsJson = False, storage: StorageUrl = None) -> None:
    """List the studies in the database.

    Example: autoencoder-hpo list --json
    """
    from autoencoder_hpo.cli.tables import studies_table
    from autoencoder_hpo.storage.status import summary, summary_json
    from autoencoder_hpo.storage.study import names, open_study

    database = open_database(storage)
    summaries = [summary(open_study(database, name)) for name in names(database)]
    if as_json:
        print_json([summary_json(known) for known in summaries])
    elif summaries:
        console().print(studies_table(summaries))
    else:
        typer.echo("no studies yet; `autoencoder-hpo run quickstart` makes one")


def status(name: Name, as_json: AsJson = False, storage: StorageUrl = None) -> None:
    """Say how far a study is, and how good its best denoiser.

    Trials whose worker has fallen silent are handed back.

    Example: autoencoder-hpo status quickstart
    """
    from autoencoder_hpo.cli.tables import summary_screen
    from autoencoder_hpo.storage.stalled import requeue_stalled
    from autoencoder_hpo.storage.status import summary, summary_json
    from autoencoder_hpo.storage.study import open_study

    opened = open_study(open_database(storage), name)
    for number in requeue_stalled(opened):
        warn(f"trial {number} had lost its worker, and waits for another")
    known = summary(opened)
    if as_json:
        print_json(summary_json(known))
    else:
        console().print(summary_screen(known))


def best(name: Name, as_json: AsJson = False, storage: StorageUrl = None) -> None:
    """Show the best trial: its scores and its whole configuration.

    Example: autoencoder-hpo best quickstart --json
    """
    from autoencoder_hpo.cli.tables import config_panel, scores_table
    from autoencoder_hpo.errors import StudyError
    from autoencoder_hpo.storage.status import best_json, summary
    from autoencoder_hpo.storage.study import open_study

    known = summary(open_study(open_database(storage), name))
    if known.best is None:
        raise StudyError(f"study {name}", ["no trial is complete yet"])
    if as_json:
        print_json(best_json(known.best))
        return
    screen, record = console(), known.best.trial.record
    screen.print(scores_table(known))
    screen.print(config_panel(record.config or {}, f"trial {known.best.number}"))
    if record.picture:
        screen.print(f"noisy | restored | clean: {record.picture}", soft_wrap=True)


def show(
    name: Name,
    trial: Annotated[int, typer.Argument(min=0, metavar="TRIAL", help="A trial's number.")],
    as_json: AsJson = False,
    storage: StorageUrl = None,
) -> None:
    """Show everything stored about one trial.

    Example: autoencoder-hpo show quickstart 3
    """
    from autoencoder_hpo.cli.tables import trial_screen
    from autoencoder_hpo.storage.status import find_trial, trial_json
    from autoencoder_hpo.storage.study import open_study

    found = find_trial(open_study(open_database(storage), name), trial)
    if as_json:
        print_json(trial_json(found))
    else:
        console().print(trial_screen(found))


def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="What `status` says.")] = "by hand",
    storage: StorageUrl = None,
) -> None:
    """Let all workers of a study, wherever they run, hand their trials back and wait.

    Example: autoencoder-hpo pause fashion-mnist --reason "the GPUs are needed until noon"
    """
    _halt(name, "paused", reason, storage)
    typer.echo(f"paused {name}; `autoencoder-hpo resume {name} --workers 0` lets them go on")


def stop(
    name: Name,
    reason: Annotated[str, typer.Option(help="What `status` says.")] = "by hand",
    storage: StorageUrl = None,
) -> None:
    """End all workers of a study, wherever they run; they hand their trials back first.

    Workers that serve every study go on with the others.

    Example: autoencoder-hpo stop fashion-mnist
    """
    _halt(name, "stopped", reason, storage)
    typer.echo(f"stopped {name}; `autoencoder-hpo resume {name}` goes on with it")


def _halt(name: str, kind: Literal["paused", "stopped"], reason: str, url: str | None) -> None:
    from autoencoder_hpo.storage.study import halt_study, open_study
    from autoencoder_hpo.storage.study_records import Halt

    halt_study(open_study(open_database(url), name), Halt(kind, reason))


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: StorageUrl = None,
) -> None:
    """Delete a study with its checkpoints and pictures; asks first.

    Example: autoencoder-hpo delete quickstart
    """
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.showcase.store import remove_files
    from autoencoder_hpo.storage.study import delete_study, find
    from autoencoder_hpo.storage.study_records import uid_of

    database = open_database(storage)
    found = find(database, name)
    trials, uid = len(found.trials), uid_of(found.user_attrs)
    if not yes:
        typer.confirm(f"Delete {name} and its {trials} trials for good?", abort=True)
    delete_study(database, name)
    if uid:
        remove_files(settings(), uid, trials)
    typer.echo(f"deleted {name}")
