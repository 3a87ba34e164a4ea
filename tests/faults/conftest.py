"""What the fault tests share: a server that can be taken away, and stock Optuna to compare with."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from own_server import Server
from support import Cli


@pytest.fixture
def stock(request: pytest.FixtureRequest) -> bool:
    """Whether the fault is to happen to stock Optuna: `pytest --stock tests/faults` shows what
    these tests are for, by failing."""
    return bool(request.config.getoption("--stock"))


@pytest.fixture
def private() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="hpo-fault-"))
    server = Server(folder)
    yield server
    if server.answers():
        server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_cli(tmp_path: Path) -> Iterator[Callable[..., Cli]]:
    """The command line on a database of one's own; keyword arguments go into its environment."""

    def make(url: str, **environment: Any) -> Cli:
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        cli = Cli(tmp_path / "home", url, folder)
        cli.environment |= {key: str(value) for key, value in environment.items()}
        made.append(cli)
        return cli

    made: list[Cli] = []
    yield make
    for cli in made:
        cli.end()
