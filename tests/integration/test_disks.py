"""Disks that are full or cannot be written: one line, and nothing is lost."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Cli

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk, as root may")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=2m")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def mount(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 12))
        except OSError:
            pass


def test_a_full_home_is_one_line(cli: Cli, disk: Path) -> None:
    path = cli.write()
    fill(disk)
    err = cli("run", path, code=1, AUTOENCODER_HPO_HOME=str(disk / "home"))
    assert "No space left on device" in err
    assert "set AUTOENCODER_HPO_HOME to another folder" in err
    assert len(err.splitlines()) == 1


def test_a_read_only_home_is_one_line(cli: Cli, disk: Path) -> None:
    path = cli.write()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    err = cli("run", path, code=1, AUTOENCODER_HPO_HOME=str(disk / "home"))
    assert "Read-only file system" in err
    assert len(err.splitlines()) == 1


def test_a_disk_that_fills_up_while_training_costs_no_result(cli: Cli, disk: Path) -> None:
    path = cli.write(
        task={"epochs": 2},
        search={"trials": 3},
        trial={"model": {"kind": "mlp", "depth": 1, "width": {"int": [3000, 4000]}, "latent": 8}},
    )  # a checkpoint of 10 MB
    cli("create", path)
    out = cli.work("tiny", 1, AUTOENCODER_HPO_HOME=str(disk / "home"))
    assert "3 of 3 trials (3 complete, 0 pruned)" in cli("status", "tiny")
    assert "no checkpoint for trial 0: [Errno 28] No space left on device" in out


@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
def test_a_store_that_takes_nothing_costs_no_result(cli: Cli, disk: Path, full: bool) -> None:
    path = cli.write(task={"epochs": 2}, search={"trials": 2})
    store = disk / "artifacts"
    store.mkdir()
    if full:
        fill(disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    cli("create", path)
    out = cli.work("tiny", 1, AUTOENCODER_HPO_ARTIFACTS=str(store))
    assert "2 of 2 trials (2 complete" in cli("status", "tiny")
    assert "no pictures of trial 0: [Errno" in out
    said = "No space left on device" if full else "Read-only file system"
    assert said in out
    record = json.loads(cli("show", "tiny", "0", "--json"))
    assert said in record["no_pictures"]
    assert not [file for file in store.iterdir() if file.suffix == ".part"]
