"""All of a finalize in order; every part is found again when it was done before."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import torch

from autoencoder_hpo.data.splits import SearchData
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.finalize.access import record_look
from autoencoder_hpo.finalize.baselines import baseline_scores
from autoencoder_hpo.finalize.images import (
    HeldOutImages,
    load_everything,
    load_images,
    load_test,
    prepare_search,
)
from autoencoder_hpo.finalize.packing import Packed, load_model, pack
from autoencoder_hpo.finalize.pending import Pending, read_pending, settle_pending, write_pending
from autoencoder_hpo.finalize.plan import Plan, Request, alone, make_plan
from autoencoder_hpo.finalize.pool import Tell, train_alone, train_together
from autoencoder_hpo.finalize.results import Finalized, Selection, Step, TestScores, Winner
from autoencoder_hpo.finalize.retraining import Job, Retrained, read_result, result_path
from autoencoder_hpo.finalize.selection import decide
from autoencoder_hpo.finalize.testing import look, restore_with
from autoencoder_hpo.finalize.wording import verdict, warnings
from autoencoder_hpo.inputs import Inputs, refuse_other_data
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import Look
from autoencoder_hpo.training.prepared import prepare


def finalize(
    opened: StudyHandle, request: Request, settings: Settings, *, tell: Tell
) -> tuple[Finalized, Path]:
    """Retrain, compare, train on everything, look once, pack; returns the bundle's place too.

    Stopped anywhere, it goes on where it was when it is called again.

    Raises:
        StudyError: the study is not ready, was looked at before, or its images are others.
        DataError: the images cannot be read.
        DiskError: something cannot be written.
        BundleError: what was made cannot be packed.
    """
    plan = make_plan(opened, request, settings)
    with alone(plan):
        search = load_images(opened.file, settings)
        refuse_other_data(opened, Inputs(search, [], opened.study.task.corruption))
        opened.storage.release_connections()
        _retrain(plan, search, tell)
        groups = None if search.groups is None else search.groups[1]
        selection = decide(plan, groups)
        everything = load_everything(opened.file, settings, search)
        job = plan.job_on_everything(selection.verdict.winner, everything.hash)
        final = _train_on(job, everything, plan, tell)
        return _test_and_pack(plan, selection, job, final, everything, tell), plan.out


def _retrain(plan: Plan, search: SearchData, tell: Tell) -> None:
    if plan.workers > 1:
        train_together(
            plan.jobs, plan.opened.file, plan.settings, plan.folder, tell, workers=plan.workers
        )
        return
    device = torch.device(plan.jobs[0].how.device)
    train_alone(
        plan.jobs, lambda: prepare_search(plan.opened.file, search, device), plan.folder, tell
    )


def _train_on(job: Job, everything: SearchData, plan: Plan, tell: Tell) -> Retrained:
    device = torch.device(job.how.device)
    train_alone(
        [job],
        lambda: prepare(everything.train, everything.validation, job.task, device),
        plan.folder,
        tell,
    )
    final = read_result(job, plan.folder)
    assert final is not None, "it was trained a moment ago"
    if final.diverged:
        raise StudyError(
            f"study {plan.opened.name}",
            [
                f"trial {job.trial} won, but its loss was not finite on all training images; "
                "--seeds N or --top N may choose another"
            ],
        )
    return final


def _test_and_pack(
    plan: Plan,
    selection: Selection,
    job: Job,
    final: Retrained,
    everything: SearchData,
    tell: Tell,
) -> Finalized:
    torch.set_num_threads(plan.threads)
    test = load_test(plan.opened.file, plan.settings)
    packed = Packed(plan, job, final, everything, load_model(job, final, everything))
    tested, looks = _look_once(packed, test, tell)
    winner = Winner(
        trial=job.trial,
        kind=job.config.model.kind,
        parameters=final.parameters,
        epochs=final.epochs,
        best_epoch=final.best_epoch,
        train_images=len(everything.train),
        searched_on=plan.opened.data.counts["train"],
    )
    result = Finalized(
        study=plan.opened.name,
        contest=selection,
        winner=winner,
        tested=tested,
        looks=looks,
        verdict=verdict(selection, winner, tested),
        warnings=warnings(tested, selection, len(looks)),
    )
    tell(Step("bundle", "writing the bundle", 0, None, None))
    pack(packed, result, test)
    settle_pending(plan.folder)
    return result


def _look_once(
    packed: Packed, test: HeldOutImages, tell: Tell
) -> tuple[TestScores, tuple[Look, ...]]:
    """What the test images say, known to the study before anybody sees it."""
    plan, request = packed.plan, packed.plan.request
    weights = hashlib.sha256(result_path(packed.job, plan.folder).read_bytes()).hexdigest()
    pending = read_pending(plan.folder, plan.key)
    if pending is None or pending.weights != weights:
        baselines = baseline_scores(plan, packed.everything, test, tell)
        tell(Step("test", "the one look at the test images", 0, None, None))
        device = torch.device(packed.job.how.device)
        tested = look(
            restore_with(packed.model, device),
            test,
            baselines,
            plan.opened.study.task,
            slow_images=request.slow_images,
        )
        pending = Pending(uuid4().hex, plan.key, weights, tested)
        write_pending(plan.folder, pending)  # first, so that what is recorded is never lost
    looks = plan.opened.storage.with_retry(_recorder(packed, pending))
    plan.opened.storage.release_connections()
    return pending.tested, looks


def _recorder(packed: Packed, pending: Pending) -> Callable[[], tuple[Look, ...]]:
    return lambda: record_look(
        packed.plan.opened,
        id=pending.id,
        key=pending.key,
        trial=packed.job.trial,
        psnr=pending.tested.psnr.mean,
        images=pending.tested.images,
        again=packed.plan.request.again,
    )
