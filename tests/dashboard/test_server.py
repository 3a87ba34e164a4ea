"""The server as a process of its own."""

import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Cli, Ended

PASSWORD = {"AUTOENCODER_HPO_DASHBOARD_PASSWORD": "secret"}


@pytest.fixture
def served(cli: Cli) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A dashboard that made its own password, and the line it says."""
    process = cli.start("dashboard", "--port", "0")
    assert process.stdout is not None
    yield process, process.stdout.readline()
    process.kill()
    process.communicate()


def get(url: str, password: str | None = None) -> int:
    request = urllib.request.Request(url)
    if password is not None:
        manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
        manager.add_password(None, url, "x", password, is_authenticated=True)
        opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
    else:
        opener = urllib.request.build_opener()
    try:
        with opener.open(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_starts_on_an_empty_database_says_its_password_once_and_ends_politely(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    process, line = served
    found = re.match(r"dashboard at (http://127\.0\.0\.1:\d+), password (\S+) ", line)
    assert found, line
    url, password = found.groups()
    assert get(f"{url}/healthz") == 200
    assert get(f"{url}/api/studies") == 401
    assert get(f"{url}/api/studies", password) == 200
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert password not in out + err
    assert "Traceback" not in err


def test_a_given_password_is_never_printed(cli: Cli) -> None:
    process = cli.start("dashboard", "--port", "0", **PASSWORD)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "secret" not in line + out + err


def test_a_taken_port_is_one_line(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = cli("dashboard", "--port", str(port), code=1, **PASSWORD)
    assert (
        said == f"error: 127.0.0.1:{port}: address already in use; choose another --port or --host"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_a_public_address_needs_a_password(host: str, call: Callable[..., Ended]) -> None:
    assert "is public, and needs a password" in call("dashboard", "--host", host).line


def test_an_empty_password_is_refused(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("\n")
    monkeypatch.setenv("AUTOENCODER_HPO_DASHBOARD_PASSWORD_FILE", str(tmp_path / "password"))
    assert "the password is empty" in call("dashboard").line


def test_an_address_that_is_not_ours_is_one_line(
    call: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOENCODER_HPO_DASHBOARD_PASSWORD", "secret")
    assert "choose another --port or --host" in call("dashboard", "--host", "192.0.2.1").line
