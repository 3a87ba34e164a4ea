"""The application: its commands, and how an error ends it.

Exit codes: 0 good, 1 an error of ours (one line), 2 wrong usage, 130 interrupted.
"""

import os
import sys
import time
from typing import Annotated

import typer

from autoencoder_hpo.cli import denoise, diagnose, files, finalize, manage, report, serve, work
from autoencoder_hpo.errors import AutoencoderHpoError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked: bool) -> None:
    if asked:
        from autoencoder_hpo.provenance import versions

        typer.echo(f"autoencoder-hpo {versions()['autoencoder-hpo']}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Search for the denoising autoencoder that restores your images best.

    Start with [bold]autoencoder-hpo run quickstart[/]. Studies live in an embedded PostgreSQL;
    --storage or AUTOENCODER_HPO_STORAGE names another server.
    """


for command in (
    work.run,
    files.check,
    work.create,
    work.resume,
    work.worker,
    work.reproduce,
    finalize.finalize,
    denoise.denoise,
    manage.list_,
    manage.status,
    manage.best,
    manage.show,
    diagnose.diagnose,
    report.report,
    manage.pause,
    manage.stop,
    manage.delete,
    serve.dashboard,
    serve.migrate,
    files.export,
    files.import_,
    files.doctor,
    files.schema,
):
    app.command(command.__name__.rstrip("_"))(command)


def main() -> None:
    """Run the command line; an error of ours is one line and exit code 1."""
    os.environ["TZ"] = "UTC"  # Optuna stores local times: on every machine they are to agree
    time.tzset()
    try:
        app()
    except AutoencoderHpoError as error:
        _end(str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise  # not about a file: a bug
        _end(f"{error.filename}: {error.strerror}")
    except Exception as error:
        if not _is_outage(error):
            raise
        _end("the database does not answer any more; nothing is lost, try again when it does")


def _is_outage(error: Exception) -> bool:
    if "sqlalchemy" not in sys.modules:  # nobody asked a database
        return False
    from autoencoder_hpo.storage.outages import is_outage

    return is_outage(error)


def _end(message: str) -> None:
    style = {"fg": "red", "bold": True} if sys.stderr.isatty() else {}
    typer.secho("error: ", nl=False, err=True, **style)  # type: ignore[arg-type]
    typer.echo(message, err=True)
    sys.stdout.flush()
    raise SystemExit(1)
