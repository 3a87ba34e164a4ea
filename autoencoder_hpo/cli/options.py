"""Options that several commands share, and what they open. Light: no torch, no Optuna."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # slow to import; commands import it when they run
    from rich.console import Console

    from autoencoder_hpo.storage.database import Storage

StudyPath = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|NAME", help="A study file, or the name of a shipped one, such as quickstart."
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A study's name; `list` shows them.")]
StorageUrl = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Database, such as postgresql+psycopg2://USER@HOST/DB; the embedded one if left out.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cuda, cuda:1, mps or cpu; the best one if left out."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=256,
        metavar="N",
        help="Worker processes here; one a GPU or CPU core if left out, 0 for none.",
    ),
]
Stack = Annotated[
    str,
    typer.Option(
        "--stack",
        metavar="auto|N",
        envvar="AUTOENCODER_HPO_STACK",
        help="Trials of one shape that a worker trains at once; auto measures it on a GPU, and "
        "is 1 on a CPU.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def console() -> "Console":
    from rich.console import Console

    plain = Console()
    return plain if plain.is_terminal else Console(width=120)


def open_database(url: str | None, *, stop: Callable[[], bool] | None = None) -> "Storage":
    """Open the database; say what SQLite cannot do."""
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.storage.database import open_storage

    storage = open_storage(url, settings(), stop=stop)
    if not storage.is_server:
        warn("SQLite serves one process only; use PostgreSQL for several workers or machines")
    return storage


def warn(message: str) -> None:
    typer.secho(f"warning: {message}", err=True, fg="yellow")


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
