"""Commands of servers: dashboard, migrate."""

import os
from typing import Annotated

import typer

from autoencoder_hpo.cli.options import StorageUrl, open_database


def dashboard(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="Another host name to answer to; repeatable."),
    ] = None,
    storage: StorageUrl = None,
) -> None:
    """Show all studies in a browser, behind a password.

    The password comes from AUTOENCODER_HPO_DASHBOARD_PASSWORD_FILE (or _PASSWORD); without one,
    a new one is made and printed, on this machine's own addresses only.

    Example: autoencoder-hpo dashboard --port 8081
    """
    from autoencoder_hpo.dashboard.access import (
        VARIABLE,
        Passwords,
        find_passwords,
        generate_password,
    )
    from autoencoder_hpo.dashboard.server import answered_hosts, is_loopback, log_lines, serve
    from autoencoder_hpo.errors import AccessError
    from autoencoder_hpo.settings import settings

    passwords, made = find_passwords(os.environ), ""
    if passwords is None:
        if not is_loopback(host):
            raise AccessError(f"--host {host} is public, and needs a password; set {VARIABLE}_FILE")
        made = generate_password()
        passwords = Passwords(made)
    log_lines()
    database = open_database(storage)

    # Takes seconds to import: errors are said before.
    from autoencoder_hpo.dashboard.app import keep_looking, make_app

    app = make_app(database, settings(), passwords, answered_hosts(host, name or []))

    keep_looking(database)

    def say(port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        with_password = f", password {made}" if made else ""
        typer.echo(f"dashboard at http://{shown}:{port}{with_password} (Ctrl-C ends it)")

    serve(app, host=host, port=port, ready=say)


def migrate(storage: StorageUrl = None) -> None:
    """Create the tables in the database, or bring those of an older Optuna up to date.

    Example: autoencoder-hpo migrate --storage postgresql+psycopg2://ada@db/studies
    """
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.storage.database import migrate_storage

    typer.echo(migrate_storage(storage, settings()))
