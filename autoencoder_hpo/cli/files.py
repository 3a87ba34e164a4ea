"""Commands about files and this machine: check, export, import, doctor, schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from autoencoder_hpo.cli.options import Name, StorageUrl, StudyPath, console, open_database

ExportPath = Annotated[Path, typer.Argument(metavar="FILE", help="Such as quickstart.json.gz.")]


def check(path: StudyPath) -> None:
    """Read a study file, try every corner of its space, and say what is wrong with it.

    Example: autoencoder-hpo check my_study.yaml
    """
    from autoencoder_hpo.study import check_summary
    from autoencoder_hpo.study.shipped import find_study

    for line in check_summary(find_study(path)).lines():
        typer.echo(line)


def export(name: Name, path: ExportPath, storage: StorageUrl = None) -> None:
    """Write a whole study to a file.

    Example: autoencoder-hpo export quickstart quickstart.json.gz
    """
    from autoencoder_hpo.archive import export_study
    from autoencoder_hpo.storage.study import open_study

    number = export_study(open_study(open_database(storage), name), path)
    typer.echo(f"wrote {name} with {number} trials to {path}")


def import_(path: ExportPath, storage: StorageUrl = None) -> None:
    """Read a study that `export` wrote, for example into a server.

    Example: autoencoder-hpo import quickstart.json.gz --storage postgresql+psycopg2://ada@db/hpo
    """
    from autoencoder_hpo.archive import import_study

    opened = import_study(open_database(storage), path)
    typer.echo(f"imported {opened.name} with {len(opened.trials())} trials")


def doctor(storage: StorageUrl = None) -> None:
    """Check Python, packages, devices, directories and the database.

    Example: autoencoder-hpo doctor
    """
    from autoencoder_hpo.cli.doctor import examine
    from autoencoder_hpo.settings import settings

    colors = {"ok": "green", "warning": "yellow", "problem": "red"}
    worst = "ok"
    screen = console()
    for finding in examine(settings(), storage):
        screen.print(f"[{colors[finding.level]}]{finding.level:<8}[/] {finding.what:<9}", end=" ")
        screen.print(finding.said, markup=False, highlight=False, soft_wrap=True)
        worst = "problem" if "problem" in (worst, finding.level) else worst
    if worst == "problem":
        raise typer.Exit(1)


def schema() -> None:
    """Print the JSON Schema of study files, for completion in editors.

    Example: autoencoder-hpo schema > studies/study.schema.json
    """
    from autoencoder_hpo.study.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
