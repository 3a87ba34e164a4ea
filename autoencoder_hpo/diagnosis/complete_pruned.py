"""Finishing a pruned trial: trained from its first epoch to its last, as it would have been."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from optuna.trial import FrozenTrial

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.diagnosis.audit import keep_audited
from autoencoder_hpo.diagnosis.findings import Audited
from autoencoder_hpo.inputs import Inputs
from autoencoder_hpo.storage.leases import CONFIG, RUN
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.loop import EpochResult, stalled


def epochs_of(opened: StudyHandle, trial: FrozenTrial) -> int:
    """How many epochs the trial would have had."""
    return int(trial.user_attrs[CONFIG].get("epochs") or opened.study.task.epochs)


def finish_all(
    opened: StudyHandle,
    trials: Sequence[FrozenTrial],
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
    trial: FrozenTrial,
    inputs: Inputs,
    *,
    epoch_done: Callable[[EpochResult], None],
) -> Audited:
    """Train a pruned trial to its end, with its own config, seed and early stopping.

    Its checkpoint is gone, so that it starts from its first epoch. Nothing is told to the study:
    the sampler learns from the trial as it was.
    """
    config = TrialConfig.model_validate(trial.user_attrs[CONFIG])
    run, metric = trial.user_attrs[RUN], opened.study.search.objective
    torch.set_num_threads(run["threads"])
    training = build_training(
        opened.study.task,
        config,
        inputs.prepared,
        seed=run["seed"],
        precision=run["precision"],
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
