"""Several processes do what one does, and none is left behind."""

import multiprocessing
from pathlib import Path

import pytest
from finalize.conftest import Finish
from support import study_file

from autoencoder_hpo.errors import AutoencoderHpoError
from autoencoder_hpo.finalize.images import load_images, prepare_search
from autoencoder_hpo.finalize.plan import Request, make_plan
from autoencoder_hpo.finalize.pool import train_alone, train_together
from autoencoder_hpo.finalize.results import Step
from autoencoder_hpo.finalize.retraining import result_path
from autoencoder_hpo.worker.context import WorkerContext


def test_two_processes_do_what_one_does(
    finish: Finish, context: WorkerContext, tmp_path: Path
) -> None:
    opened = finish()
    plan = make_plan(opened, Request(seeds=2, device="cpu"), context.settings)
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    images = load_images(opened.file, context.settings)
    train_alone(
        plan.jobs,
        lambda: prepare_search(opened.file, images, context.device),
        one,
        lambda _: None,
    )
    steps: list[Step] = []
    train_together(plan.jobs, opened.file, context.settings, two, steps.append, workers=2)
    for job in plan.jobs:
        assert result_path(job, one).read_bytes() == result_path(job, two).read_bytes()
        own = [step for step in steps if step.name == job.name]
        assert own[0].done == 0
        assert own[-1].done == own[-1].of == 2
        assert any(step.psnr for step in own)
    assert not multiprocessing.active_children()


def test_what_ends_one_of_them_is_said_and_ends_the_others(
    finish: Finish, context: WorkerContext, tmp_path: Path
) -> None:
    opened = finish()
    plan = make_plan(opened, Request(seeds=1, device="cpu"), context.settings)
    missing = study_file(
        task={"data": {"dataset": "array", "path": str(tmp_path / "none.npy"), "train": None}}
    )
    with pytest.raises(AutoencoderHpoError, match=r"none\.npy"):
        train_together(plan.jobs, missing, context.settings, tmp_path, lambda _: None, workers=2)
    assert not multiprocessing.active_children()
