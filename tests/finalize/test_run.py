"""A whole finalize of a real study, and what is in the bundle."""

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finalize.conftest import SMALL, Finish, Run
from sklearn.datasets import load_digits
from support import Cli, until

from autoencoder_hpo.bundle import load_denoiser
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.finalize.access import looks_of
from autoencoder_hpo.finalize.images import load_test
from autoencoder_hpo.finalize.plan import Request
from autoencoder_hpo.finalize.run import finalize
from autoencoder_hpo.training.metrics import mse_per_image, psnr
from autoencoder_hpo.worker.context import WorkerContext

SAME = ("weights.safetensors", "config.json", "model.onnx", "pictures/restored.png")


def scores(bundle: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((bundle / "scores.json").read_text())
    return values


def test_the_bundle_does_what_its_scores_say(
    finish: Finish, run: Run, context: WorkerContext, tmp_path: Path
) -> None:
    opened = finish()
    result = run(opened, epochs=3)
    test = load_test(opened.file, context.settings)
    restored = load_denoiser(tmp_path / "out.denoiser").restore(test.noisy)
    decibels = float(psnr(mse_per_image(restored, test.clean)).mean())
    denoiser = result.tested.denoiser
    assert denoiser.psnr == pytest.approx(decibels, abs=1e-3)
    assert result.tested.images == 60
    assert result.winner.epochs == 3
    assert 1 <= result.winner.best_epoch <= 3
    assert result.winner.searched_on == 200
    assert result.winner.train_images == 1797 - 60 - 24
    assert {row.name for row in result.tested.rows} >= {"noisy input", "affine filter"}
    assert denoiser.gain is not None
    assert denoiser.gain > 0.5
    stored = scores(tmp_path / "out.denoiser")
    assert stored["tested"]["rows"][0]["psnr"] == denoiser.psnr
    assert stored["not_beaten"] == list(result.tested.not_beaten)
    assert stored["looks"] == [{"trial": result.winner.trial, "psnr": denoiser.psnr, "images": 60}]
    (card,) = (tmp_path / "out.denoiser").glob("*.md")
    assert f"{denoiser.psnr:.2f} dB" in card.read_text()
    assert str(tmp_path) not in card.read_text()


def test_a_second_look_is_refused_unless_asked_for_and_recorded(
    finish: Finish, run: Run, tmp_path: Path
) -> None:
    opened = finish()
    first = run(opened)
    with pytest.raises(StudyError, match=r"looked at already \(.*UTC by .*trial.*--again"):
        run(opened, "other.denoiser")
    assert not (tmp_path / "other.denoiser").exists()
    again = run(opened, "other.denoiser", again=True)
    assert again.tested == first.tested
    assert len(looks_of(opened)) == len(again.looks) == 2
    assert any("looked at 2 times" in each for each in again.warnings)
    assert len(scores(tmp_path / "other.denoiser")["looks"]) == 2


def killed(process: subprocess.Popen[str]) -> None:
    assert process.poll() is None, process.communicate()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()  # ends when the pipes are closed: when the crew is gone as well


def test_killed_twice_it_ends_with_the_same_bundle(
    finish: Finish, cli: Cli, context: WorkerContext, tmp_path: Path
) -> None:
    """With two workers, killed while they train, and between the look and the bundle."""
    np.save(tmp_path / "digits.npy", load_digits().images[:260])
    data = {"dataset": "array", "path": str(tmp_path / "digits.npy"), "scale": "minmax"}
    parts = {"train": 100, "validation": 24, "test": 60}
    opened = finish(**{**SMALL, "task": {"data": {**data, **parts}, "epochs": 30}}, trials=2)
    command = (
        "finalize",
        "tiny",
        "--seeds",
        "2",
        "--workers",
        "2",
        "--device",
        "cpu",
        "--threads",
        "1",
    )
    bundle = cli.folder / "tiny.denoiser"

    process = cli.start(*command)
    until(lambda: any(context.settings.trials.rglob("trial-*-seed-*.checkpoint")), 240)
    killed(process)
    trained = list(context.settings.trials.rglob("finalize/trial-*.safetensors"))
    assert len(trained) < 5
    assert looks_of(opened) == ()

    process = cli.start(*command)
    until(lambda: bool(looks_of(opened)), 240)
    killed(process)
    assert not bundle.exists()
    weights = {path: path.stat().st_mtime for path in context.settings.trials.rglob("trial-*full*")}

    out = cli(*command)
    assert "wrote tiny.denoiser" in out
    assert len(looks_of(opened)) == 1
    assert {path: path.stat().st_mtime for path in weights} == weights

    elsewhere = replace(context.settings, home=tmp_path / "elsewhere")
    whole = tmp_path / "whole.denoiser"
    request = Request(seeds=2, workers=1, device="cpu", threads=1, again=True, out=whole)
    finalize(opened, request, elsewhere, tell=lambda _: None)
    for name in SAME:
        assert (bundle / name).read_bytes() == (whole / name).read_bytes()
    one, other = scores(bundle), scores(whole)
    for key in ("contest", "winner", "tested"):
        assert one[key] == other[key]
