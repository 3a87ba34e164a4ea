"""Serving the dashboard."""

import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable, Collection
from types import FrameType

from waitress.server import create_server

from autoencoder_hpo.dashboard.gate import LOOPBACK, Gate
from autoencoder_hpo.errors import AccessError

THREADS = 8
MOST_BODY = 32 * 2**20  # bytes of a request: notes, and files that an admin attaches


class Line(logging.Formatter):
    """One line for each record, whatever a library wrote: of a traceback, how it ended."""

    def format(self, record: logging.LogRecord) -> str:
        first, *_ = (record.getMessage().splitlines() or [""])[:1]
        error = record.exc_info and record.exc_info[1]
        ended = f": {type(error).__name__}: {' '.join(str(error).split())}" if error else ""
        return f"{self.formatTime(record)} {record.levelname.lower()} {first}{ended}"


def log_lines() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(Line(datefmt="%Y-%m-%dT%H:%M:%SZ"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("autoencoder_hpo").setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # its depth is no event


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def answered_hosts(host: str, names: Collection[str]) -> list[str]:
    """What a request's Host may say: loopback, the address that we listen on, names given."""
    return [*LOOPBACK, host, *(name.lower() for name in names)]


def serve(app: Gate, *, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `ready` is told the port, once it listens.

    Raises:
        AccessError: the port is taken, or the address is not ours.
    """
    listening = _listen(host, port)
    server = create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        ident="",
        max_request_body_size=MOST_BODY,
        clear_untrusted_proxy_headers=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    ready(listening.getsockname()[1])
    server.run()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        raise AccessError(f"--host {host}: there is no such address") from error
    except OSError as error:
        reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
        raise AccessError(f"{host}:{port}: {reason}; choose another --port or --host") from error


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
