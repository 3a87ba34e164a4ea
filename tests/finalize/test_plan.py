"""Everything that is refused before it costs anything, in one line with the remedy."""

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from finalize.conftest import SMALL, Finish, Run
from support import Create, merged

from autoencoder_hpo.errors import BundleError, DiskError, StudyError
from autoencoder_hpo.finalize.plan import Request, make_plan
from autoencoder_hpo.worker.context import WorkerContext

QUICK = {**SMALL, "trial": {"model": {"kind": "mlp", "depth": 1, "width": 8, "latent": 4}}}


def quick(trials: int) -> dict[str, object]:
    return {**QUICK, "search": {"trials": trials}, "task": {**SMALL["task"], "epochs": 1}}


def test_an_unfinished_study_unless_now(finish: Finish, context: WorkerContext) -> None:
    opened = finish(trials=1, **quick(3))
    with pytest.raises(StudyError, match=r"not finished \(waiting\).*resume tiny.*--now"):
        make_plan(opened, Request(), context.settings)
    plan = make_plan(opened, Request(now=True, seeds=2), context.settings)
    assert [job.name for job in plan.jobs] == ["trial-0-seed-0", "trial-0-seed-1"]


def test_a_study_whose_trials_run(finish: Finish, context: WorkerContext) -> None:
    from autoencoder_hpo.storage.claiming import claim

    opened = finish(trials=1, **quick(2))
    claim(opened, "elsewhere:1")
    with pytest.raises(StudyError, match=r"1 trials running and 0 waiting"):
        make_plan(opened, Request(), context.settings)


def test_a_study_whose_time_is_over_has_all_the_trials_that_it_will_have(
    finish: Finish, context: WorkerContext
) -> None:
    """Its last trials were handed back when the time was over; nobody takes them again."""
    from autoencoder_hpo.storage.claiming import Claimed, claim
    from autoencoder_hpo.storage.leases import release

    opened = finish(trials=1, **quick(3))
    claimed = claim(opened, "here:1")
    assert isinstance(claimed, Claimed)
    release(opened, claimed.trial_id, "here:1")
    with pytest.raises(StudyError, match=r"0 trials running and 1 waiting"):
        make_plan(opened, Request(), context.settings)
    opened.write(deadline=opened.storage.now() - 1)
    assert [each.trial for each in make_plan(opened, Request(), context.settings).contenders] == [0]


def test_no_complete_trial(create: Create, context: WorkerContext) -> None:
    with pytest.raises(StudyError, match=r"no trial is complete; .*resume tiny"):
        make_plan(create(), Request(now=True), context.settings)


def test_the_best_trials_and_no_others(finish: Finish, context: WorkerContext) -> None:
    opened = finish(**quick(4))
    plan = make_plan(opened, Request(top=2), context.settings)
    best = sorted(opened.trials(), key=lambda trial: trial.value or 0.0)[:2]
    assert [each.trial for each in plan.contenders] == [trial.number for trial in best]
    assert len({job.seed for job in plan.jobs}) == len(plan.jobs) == 6


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_output_that_is_there(
    finish: Finish, context: WorkerContext, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "tiny.denoiser"
    out.mkdir() if kind == "folder" else out.write_text("mine")
    opened = finish(**quick(1))
    with pytest.raises(DiskError, match=r"tiny.denoiser: is there already; --overwrite"):
        make_plan(opened, Request(out=out), context.settings)
    (out / "mine").touch() if kind == "folder" else None
    with pytest.raises(BundleError, match="no bundle and stays"):
        make_plan(opened, Request(out=out, overwrite=True), context.settings)


def test_an_output_that_cannot_be_written(
    finish: Finish, context: WorkerContext, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DiskError, match=r"--out FOLDER writes the denoiser elsewhere"):
        make_plan(finish(**quick(1)), Request(out=tmp_path / "file" / "out"), context.settings)


def test_two_at_once(finish: Finish, context: WorkerContext, run: Run) -> None:
    opened = finish(**quick(1))
    folder = make_plan(opened, Request(out=Path("x")), context.settings).folder
    with FileLock(folder / ".lock"), pytest.raises(StudyError, match="another finalize of it"):
        run(opened)


def test_other_images_than_the_study_s(finish: Finish, run: Run, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((60, 8, 8))
    np.save(tmp_path / "a.npy", images)
    data = {
        "dataset": "array",
        "path": str(tmp_path / "a.npy"),
        "train": 20,
        "validation": 10,
        "test": 10,
    }
    opened = finish(**merged(quick(1), {"task": {"data": data}}))
    np.save(tmp_path / "a.npy", images[::-1].copy())
    with pytest.raises(StudyError, match="not those that the study was created with"):
        run(opened)
