"""Processes that are forked are what those of a user are: our children, with nothing of others."""

import os
import signal
import sys
from pathlib import Path

import pytest
from support import Cli

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")


def test_it_is_a_child_with_its_own_folder_and_files(cli: Cli) -> None:
    first, second = (cli.start("worker") for _ in range(2))
    assert first.stdout is not None
    assert first.stdout.readline() == "waiting for a study with trials to do\n"
    own = Path(f"/proc/{first.pid}")
    assert (own / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())
    assert (own / "cwd").resolve() == cli.folder.resolve()
    pipes = {link.readlink() for link in (own / "fd").iterdir()}
    others = {link.readlink() for link in Path(f"/proc/{second.pid}/fd").iterdir()}
    assert {str(each) for each in pipes & others if "pipe" in str(each)} == set()
    first.send_signal(signal.SIGINT)
    second.kill()
    for process in (first, second):
        process.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, -signal.SIGKILL)


def test_its_exit_code_is_that_of_the_command(cli: Cli) -> None:
    assert cli("status", "nothing", code=1).startswith("error: study nothing:")
    assert "Usage" in cli("status", "--nonsense", code=2)
