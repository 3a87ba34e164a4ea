"""The database of before in a fresh one for each test, and the command line on it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from before.stored import load_database, unpack_home
from support import Ended


def _do(server: str, statement: str) -> None:
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(statement))
    admin.dispose()


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """The stored database is read once, and then copied."""
    _do(server, "create database before")
    load_database(server.replace("/postgres?", "/before?"))
    return "before"


@pytest.fixture
def database(server: str, template: str) -> Iterator[str]:
    _do(server, f"create database now template {template}")
    yield server.replace("/postgres?", "/now?")
    _do(server, "drop database now with (force)")


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    """The URL of a database that holds nothing."""
    _do(server, "create database bare")
    yield server.replace("/postgres?", "/bare?")
    _do(server, "drop database bare with (force)")


@pytest.fixture
def hpo(call: Callable[..., Ended], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """The command line in this process, a worker included, where the checkpoints are."""
    unpack_home(tmp_path / "home")
    handlers = [(each, signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGTERM)]
    yield lambda *words: call(*words).good()
    for number, handler in handlers:  # a worker listens to them
        signal.signal(number, handler)
