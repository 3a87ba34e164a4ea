"""Finishing a pruned trial: trained from its first epoch to its last, as it would have been."""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from autoencoder_hpo.diagnosis.audit import keep_audited
from autoencoder_hpo.inputs import Inputs
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import Audited
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.loop import stalled
from autoencoder_hpo.training.results import EpochResult


def epochs_of(opened: StudyHandle, trial: StoredTrial) -> int:
    """How many epochs the trial would have had."""
    config = trial.config
    return (config and config.epochs) or opened.study.task.epochs


def finish_all(
    opened: StudyHandle,
    trials: Sequence[StoredTrial],
    inputs: Inputs,
    *,
    epoch_done: Callable[[EpochResult], None],
) -> None:
    """Finish these trials; each is kept at once, so that a stop costs one trial at most."""
    for trial in trials:
        opened.storage.release_connections()  # training holds no connection
        found = finish(opened, trial, inputs, epoch_done=epoch_done)
        opened.storage.with_retry(partial(keep_audited, opened, found))


def finish(
    opened: StudyHandle,
    trial: StoredTrial,
    inputs: Inputs,
    *,
    epoch_done: Callable[[EpochResult], None],
) -> Audited:
    """Train a pruned trial to its end, with its own config, seed and early stopping.

    Its checkpoint is gone, so that it starts from its first epoch. Nothing is told to the study:
    the sampler learns from the trial as it was.
    """
    config, run, metric = trial.config, trial.record.run, opened.study.search.objective
    assert config is not None, "an audit takes trials that were drawn"
    assert run is not None, "and that began"
    torch.set_num_threads(run.threads)
    training = build_training(
        opened.study.task,
        config,
        inputs.prepared,
        seed=run.seed,
        precision=run.precision,
        best_by=metric,
    )
    for result in training:
        epoch_done(result)
        patience = config.early_stopping
        if not result.finite or (patience and stalled(training.history, patience, metric)):
            break
    best = training.best
    diverged = best is None or not training.history[-1].finite
    return Audited(
        trial=trial.number,
        epoch=max(trial.intermediate_values),
        value=None if best is None or diverged else metric.of(best),
        psnr=None if best is None or diverged else best.val_psnr,
    )
