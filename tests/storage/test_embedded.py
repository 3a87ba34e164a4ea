"""The embedded server: shared, started on demand, stopped by its last client."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy

from autoencoder_hpo.errors import DiskError, StorageError
from autoencoder_hpo.storage.embedded import start_embedded

CLIENT = """
import sys, time, sqlalchemy
from pathlib import Path
from autoencoder_hpo.storage.embedded import start_embedded
url = start_embedded(Path(sys.argv[1]))
engine = sqlalchemy.create_engine(url)
with engine.connect() as connection:
    print(connection.execute(sqlalchemy.text("select 40 + 2")).scalar(), flush=True)
engine.dispose()
time.sleep(float(sys.argv[2]))
"""


def client(directory: Path, seconds: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CLIENT, str(directory), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def running(directory: Path) -> bool:
    try:
        pid = int((directory / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return False
    return True


def stopped_soon(directory: Path) -> bool:
    until = time.monotonic() + 10
    while running(directory) and time.monotonic() < until:
        time.sleep(0.1)
    return not running(directory)


def test_six_processes_start_one_server_at_once_and_the_last_stops_it(tmp_path: Path) -> None:
    clients = [client(tmp_path / "pg") for _ in range(6)]
    answers = [process.communicate(timeout=120) for process in clients]
    assert [out.strip() for out, _ in answers] == ["42"] * 6, answers
    assert stopped_soon(tmp_path / "pg")


def test_a_killed_client_does_not_keep_the_server(tmp_path: Path) -> None:
    killed = client(tmp_path / "pg", seconds=600)
    assert killed.stdout is not None
    assert killed.stdout.readline().strip() == "42"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert running(tmp_path / "pg")  # nobody was left to stop it
    assert client(tmp_path / "pg").communicate(timeout=120)[0].strip() == "42"
    assert stopped_soon(tmp_path / "pg")


def test_a_client_that_ends_leaves_the_server_to_the_others(tmp_path: Path) -> None:
    url = start_embedded(tmp_path / "pg")
    assert client(tmp_path / "pg").communicate(timeout=120)[0].strip() == "42"
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select 1")).scalar() == 1
    engine.dispose()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "pg"
    assert client(deep).communicate(timeout=120)[0].strip() == "42"


def test_a_home_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(DiskError, match=r"home: .*; make it writable.*AUTOENCODER_HPO_HOME"):
        start_embedded(tmp_path / "home" / "pg")


def test_damaged_data_are_one_line_that_names_the_log(tmp_path: Path) -> None:
    directory = tmp_path / "pg"
    directory.mkdir()
    (directory / "PG_VERSION").write_text("18\n")  # and nothing else of a database
    with pytest.raises(StorageError, match="does not start") as caught:
        start_embedded(directory)
    assert "\n" not in str(caught.value)
    assert "--storage" in str(caught.value)
