"""A real PostgreSQL for the tests, and a database of its own for each."""

import atexit
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import torch
from support import Cli, Create, Ended, inputs_of, study_file
from xdist.scheduler.loadscope import LoadScopeScheduling

from autoencoder_hpo.cli import main
from autoencoder_hpo.inputs import describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import Storage, open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.samplers import with_search
from autoencoder_hpo.storage.study import StudyHandle, create_study
from autoencoder_hpo.worker import trial
from autoencoder_hpo.worker.context import WorkerContext

GRACE_S = 2.0

# Hides what becomes of a pipe whose writer keeps a buffer: users do not set it.
os.environ.pop("PYTHONUNBUFFERED", None)

# A shell lets what it starts in the background ignore Ctrl-C, and so all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stock", action="store_true", help="let the faults of tests/faults happen to stock Optuna"
    )


TOGETHER = (
    "integration/test_compose.py", "integration/test_report_page.py", "tests/before/",
    "tests/bundle/", "tests/contracts/", "tests/report/",
)  # fmt: skip
"""Files whose tests share what takes long to make: one process runs all tests of such a file."""
FIRST = ("integration/test_compose.py", "tests/faults/", "tests/finalize/", "tests/integration/")
"""What holds the tests that take longest: begun last, one of them would keep all others waiting."""


class Spread(LoadScopeScheduling):
    """Whoever is free takes the next test, or the next file of those in `TOGETHER`.

    An `xdist_group` would do, but pytest 9.2 takes no more names from pytest-xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        together = any(name in nodeid for name in TOGETHER)
        return nodeid.split("::")[0] if together else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    config.option.loadscopereorder = False  # it would begin with the files of most tests
    return Spread(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    found = (number for number, name in enumerate(FIRST) if name in item.nodeid)
    return next(found, len(FIRST))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _every_epoch_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the tests' epochs are short."""
    monkeypatch.setattr(trial, "SAVE_S", 0.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home", storage=None, password_file=None, data=None, grace=GRACE_S
    )


@pytest.fixture(scope="session")
def server() -> str:
    """The URL of a real PostgreSQL server.

    Not below pytest's folder: another run of pytest takes that from every user but its own,
    and as root the server runs as another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="hpo-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # runs after the server's stop
    url = start_embedded(folder / "data")
    time.sleep(GRACE_S)  # nobody is taken for dead while a server is young
    return url


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of its own."""
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"create database {name}"))
    yield server.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"drop database {name} with (force)"))
    admin.dispose()


@pytest.fixture
def storage(database: str, settings: Settings) -> Iterator[Storage]:
    opened = open_storage(database, settings)
    yield opened
    opened.rdb.remove_session()
    opened.engine.dispose()


@pytest.fixture
def create(storage: Storage, settings: Settings) -> Create:
    """Create a tiny study with these changes, ready to be worked on."""

    def make(**changes: Any) -> StudyHandle:
        file = study_file(**changes)
        return with_search(create_study(storage, file, describe(inputs_of(file, settings))))

    return make


@pytest.fixture
def context(settings: Settings) -> WorkerContext:
    return WorkerContext(worker="here:1", device=torch.device("cpu"), threads=1, settings=settings)


@pytest.fixture
def cli(tmp_path: Path, database: str) -> Iterator[Cli]:
    folder = tmp_path / "work"
    folder.mkdir()
    made = Cli(tmp_path / "home", database, folder)
    yield made
    made.end()


@pytest.fixture
def call(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Ended]:
    """The command line in this process, for commands that start no workers."""
    monkeypatch.setenv("AUTOENCODER_HPO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOENCODER_HPO_STORAGE", database)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["autoencoder-hpo", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        out, err = capsys.readouterr()
        return Ended(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    return run
