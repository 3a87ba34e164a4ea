"""The command line in processes that are born with everything imported.

Importing torch, Optuna and the rest takes seconds of each process. Here one process does it, once
for each process of the tests, and then forks whatever is to be started. What it forks is a process
like any other: a child of the tests, with memory, files and signals of its own.
"""

import atexit
import ctypes
import gc
import inspect
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

PACKAGE = "autoencoder_hpo"
ALSO = (
    "alembic.command", "alembic.context", "matplotlib.backends.backend_agg", "rich.progress",
    "skimage.restoration", "sklearn.datasets",
)  # fmt: skip
"""What the package imports only where it needs it."""
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER: a process becomes the parent of those whose parent has ended."""
MOST_BYTES = 1 << 17


class Born(subprocess.Popen[Any]):
    """A process of the command line; its command is what follows the name of the program.

    Its folder, environment and standard files are to be given, as a `Popen` takes them.
    """

    def _execute_child(self, args: list[str], *given: Any) -> None:
        """In place of a fork and an exec: all else of a `Popen` needs no more than the number."""
        names = list(inspect.signature(subprocess.Popen._execute_child).parameters)[2:]  # type: ignore[attr-defined]
        said = dict(zip(names, given, strict=True))
        ends = [said[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        order = {
            "words": list(map(str, args)),
            "folder": str(said["cwd"]),
            "environment": dict(said["env"]),
            "session": said["start_new_session"],
        }
        with adopting():
            socket.send_fds(nursery(), [json.dumps(order).encode()], ends)
            self.pid = int(nursery().recv(MOST_BYTES))
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(said[name] for name in pipes))  # type: ignore[attr-defined]


@contextmanager
def adopting() -> Iterator[None]:
    """Meanwhile grandchildren whose parent ends become children of this process."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    yield
    ctypes.CDLL(None).prctl(SUBREAPER, 0, 0, 0, 0)


@cache
def nursery() -> socket.socket:
    """The line to the one nursery of this process; it ends when the line is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = theirs.fileno()
    process = subprocess.Popen(
        [sys.executable, __file__, str(number), str(os.getpid())],
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # no terminal: what is born keeps a buffer, as behind a pipe
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)  # the first to run
    return ours


# ---- in the nursery ----------------------------------------------------------------------


def serve(line: socket.socket, tests: int) -> None:
    """Fork for every order; returns in each child when its command has ended."""
    import_all()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the tests
    while True:
        order, ends, _, _ = socket.recv_fds(line, MOST_BYTES, 3)
        if not order:
            return
        born = fork_grandchild()
        if born == 0:
            line.close()
            live(json.loads(order), ends, tests)
            return
        for end in ends:
            os.close(end)
        line.send(str(born).encode())


def import_all() -> None:
    package = import_module(PACKAGE)
    for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in ALSO:
        import_module(name)


def fork_grandchild() -> int:
    """Its number; 0 in the grandchild itself. Its parent has ended then, for the tests to adopt."""
    told, tell = os.pipe()
    child = fork()
    if child == 0:
        grandchild = fork()
        if grandchild == 0:
            os.close(told)
            os.close(tell)
            return 0
        os.write(tell, str(grandchild).encode())
        os._exit(0)
    os.close(tell)
    os.waitpid(child, 0)
    number = int(os.read(told, 32))
    os.close(told)
    return number


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads: those of a BLAS library survive a fork
        return os.fork()


def live(order: dict[str, Any], ends: list[int], tests: int) -> None:
    """As `python -m` would begin in this folder, with this environment and these files."""
    for standard, end in enumerate(ends):
        os.dup2(end, standard)
        os.close(end)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while os.getppid() != tests:
        time.sleep(0.001)
    if order["session"]:
        os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[:] = [PACKAGE, *order["words"]]
    sys.path[0] = os.getcwd()
    runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
