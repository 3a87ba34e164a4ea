"""A PostgreSQL of one's own that may be taken away and brought back."""

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import sqlalchemy

from autoencoder_hpo.storage.embedded import start_embedded


class Server:
    """The embedded server, started once as always; stopped and started again at will."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.url = start_embedded(self.data)
        self.owner = self.data.stat().st_uid
        self._started: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """As in a restart of the machine: every client is cut off."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        self._wait(lambda: not (self.data / "postmaster.pid").exists(), "stop")
        if self._started is not None:
            self._started.wait()

    def start(self) -> None:
        command = shlex.split((self.data / "postmaster.opts").read_text())
        with (self.data.parent / "restarted.log").open("ab") as log:
            self._started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **({"user": self.owner} if os.getuid() == 0 else {}),
            )
        self._wait(self.answers, "start")

    def answers(self) -> bool:
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.pool.NullPool)
        try:
            with engine.connect():
                return True
        except sqlalchemy.exc.OperationalError:
            return False

    def cut_connections(self) -> int:
        """End every session but this one; returns how many there were."""
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.pool.NullPool)
        with engine.connect() as connection:
            sql = (
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
            return int(connection.execute(sqlalchemy.text(sql)).scalar_one())

    def _wait(self, true: object, what: str) -> None:
        end = time.monotonic() + 60
        while not true():  # type: ignore[operator]
            assert time.monotonic() < end, f"the server does not {what}"
            time.sleep(0.05)
