"""A training noise that is not the noise that is to be removed."""

from autoencoder_hpo.config import Corruption
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.proposals import line
from autoencoder_hpo.diagnosis.trial_context import Case
from autoencoder_hpo.storage.records import StoredTrial

FAR = 1.5
"""Times as strong, or as weak: on 300 digits, twice the noise costs 1 dB."""


def noise_mismatch(case: Case, facts: Facts) -> Finding | None:
    """Trained with noise of another kind, or of a far other strength.

    None where the study tried its own noise as well, and this trial is better all the same.
    """
    own, wanted = case.config.corruption, case.task.corruption
    if own is None or wanted is None or not wanted.damages or not _far(own, wanted):
        return None
    if _excels(case, facts):
        return None
    if own.kind != wanted.kind:
        seen = f"Its training noise is {own.words}; that to remove is {wanted.words}."
    else:
        times = own.strength / wanted.strength
        often = f"{times:.2g} times as strong as" if times > 1 else f"only {times:.2g} times"
        seen = f"Its training noise ({own.words}) is {often} that to remove ({wanted.words})."
    remedy = "Train with the noise of the task: leave trial.corruption out, or set it so."
    return case.found(
        "noise-mismatch", seen, "likely", remedy,
        line("trial.corruption", wanted.model_dump(exclude_defaults=True)),
        trained_with=own.words, task=wanted.words,
    )  # fmt: skip


def _far(own: Corruption, wanted: Corruption) -> bool:
    if own.kind != wanted.kind:
        return True
    times = own.strength / wanted.strength
    return not 1 / FAR <= times <= FAR


def _excels(case: Case, facts: Facts) -> bool:
    wanted = case.task.corruption
    assert wanted is not None
    metric = facts.study.search.objective
    matched = [
        metric.of(trial.record.scores)
        for trial in facts.trials
        if trial.record.scores and not _far(_noise_of(trial) or wanted, wanted)
    ]
    best = metric.best(metric.of(epoch) for epoch in case.trial.record.epochs)
    others = metric.best(matched)
    return best is not None and others is not None and metric.ahead(best, others) > 0


def _noise_of(trial: StoredTrial) -> Corruption | None:
    """That it was trained with; None where it is the task's."""
    config = trial.config
    return None if config is None else config.corruption
