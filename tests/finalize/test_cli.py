"""`autoencoder-hpo finalize`: what it prints, and one line for every mistake."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from finalize.conftest import Finish
from support import Cli, Ended, until

from autoencoder_hpo.worker.context import WorkerContext

Call = Callable[..., Ended]
QUICK = ("--seeds", "1", "--workers", "1", "--device", "cpu", "--threads", "1")


def test_the_table_and_the_verdict(call: Call, finish: Finish, tmp_path: Path) -> None:
    finish()
    out = call("finalize", "tiny", *QUICK).good()
    for said in ("60 test images", "denoiser", "noisy input", "affine filter", "wins:", "restores"):
        assert said in out, out
    assert "wrote tiny.denoiser" in out
    assert "worse than the affine filter" in out  # after two epochs
    assert out.count("look at the test images:") == 1
    stored = json.loads((tmp_path / "tiny.denoiser" / "scores.json").read_text())
    out = call("finalize", "tiny", *QUICK, "--again", "--overwrite", "--json").good()
    values = json.loads(out)
    assert values["tested"] == stored["tested"]
    assert len(values["looks"]) == 2


def test_one_line_for_every_mistake(call: Call, finish: Finish, tmp_path: Path) -> None:
    assert "not in" in call("finalize", "nothing").line
    finish(trials=1)
    assert "is not finished (0 trials running and 1 waiting)" in call("finalize", "tiny").line
    (tmp_path / "mine").mkdir()
    assert "mine: is there already" in call("finalize", "tiny", "--now", "--out", "mine").line
    line = call("finalize", "tiny", "--now", "--device", "abacus").line
    assert "--device abacus: no such kind" in line
    assert call("finalize", "tiny", "--seeds", "0").code == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_says_how_to_go_on(
    cli: Cli, finish: Finish, context: WorkerContext, workers: str
) -> None:
    finish(
        task={"data": {"dataset": "digits", "train": 1000, "validation": 64}, "epochs": 3},
        search={"trials": 1},
        trial={"model": {"kind": "unet", "depth": 2, "channels": 16}, "batch_size": 8},
    )
    process = cli.start("finalize", "tiny", "--workers", workers, "--seeds", "2", "--epochs", "1")
    until(lambda: any(context.settings.trials.rglob("finalize/*.checkpoint")), 240)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert err.strip() == "stopped; the same command goes on where it was"
    assert not out
