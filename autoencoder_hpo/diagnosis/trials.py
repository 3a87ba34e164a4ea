"""Why a trial is no better: all that is found about one."""

from dataclasses import replace

from autoencoder_hpo.diagnosis.activations import dead_units, narrow_bottleneck, saturated_units
from autoencoder_hpo.diagnosis.findings import Facts, Finding, by_sureness
from autoencoder_hpo.diagnosis.learning_curves import (
    divergence,
    oscillation,
    overfitting,
    slow_learning,
    underfitting,
)
from autoencoder_hpo.diagnosis.noise import noise_mismatch
from autoencoder_hpo.diagnosis.per_class import weak_group
from autoencoder_hpo.diagnosis.proposals import line
from autoencoder_hpo.diagnosis.remedies import a_unet, capacity
from autoencoder_hpo.diagnosis.trial_context import Case
from autoencoder_hpo.diagnosis.update_sizes import stagnation
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.text import mse

WORSE = 1.01
"""Times the affine filter's error: less is the same."""


def of_trial(trial: StoredTrial, facts: Facts) -> list[Finding]:
    """The findings about a trial, the surest first; none for one that runs or failed.

    A pruned trial is not asked how good it became: it was ended because others were better.
    That a trial is worse than the affine filter, or than its input, is said where nothing else
    explains it.
    """
    case = Case.of(trial, facts)
    found = [] if case is None else _found(case, facts)
    return [_placed(finding, trial, facts) for finding in found]


def _found(case: Case, facts: Facts) -> list[Finding]:
    if diverged := divergence(case):
        return [diverged]
    causes = _causes(case, facts)
    if case.complete and not any(finding.sure != "possible" for finding in causes):
        last = stagnation(case) or underfitting(case) or worse_than_without(case)
        causes += [] if last is None else [last]
    return by_sureness(causes)


def _placed(finding: Finding, trial: StoredTrial, facts: Facts) -> Finding:
    """With the trial's option in the line's path, where the study file has a choice there."""
    change = finding.change
    for part in ("model", "optimizer"):
        given, option = facts.study.space.get(part), trial.params.get(part)
        if change and isinstance(given, dict) and "choice" in given and option is not None:
            change = change.replace(f"trial.{part}.", f"trial.{part}.{option}.", 1)
    return replace(finding, change=change)


def _causes(case: Case, facts: Facts) -> list[Finding]:
    """What can be seen without asking whether the trial is good."""
    found = [
        saturated_units(case) or dead_units(case),
        oscillation(case),
        overfitting(case),
        noise_mismatch(case, facts),
        weak_group(case, facts) if case.complete else None,
        narrow_bottleneck(case) if case.complete else None,
        slow_learning(case) if case.complete else None,
    ]
    return [finding for finding in found if finding is not None]


def worse_than_without(case: Case) -> Finding | None:
    """Worse than the noisy input, or than the affine filter, neither of which is trained."""
    if case.curve is None or case.noisy_mse is None:
        return None
    error, model = case.curve.best, case.config.model
    figures = {"val_mse": error, "noisy_mse": case.noisy_mse, "affine_mse": case.affine_mse}
    if error >= case.noisy_mse:
        seen = (
            f"It damages images: its error is {mse(error)}, that of the noisy input "
            f"{mse(case.noisy_mse)}."
        )
        if model.output != "residual" and not case.needs_sigmoid:
            remedy = "Let it predict the noise (output: residual): it then begins with its input."
            change: str | None = line("trial.model.output", "residual")
        else:
            remedy, change = capacity(case)
        return case.found("worse-than-input", seen, "certain", remedy, change, **figures)
    if case.affine_mse is None or error < WORSE * case.affine_mse:
        return None
    seen = (
        f"An affine filter, which needs no training, leaves {mse(case.affine_mse)}; this trial "
        f"{mse(error)}."
    )
    change = a_unet(case)
    if change is not None:
        remedy = "Try a model with skip connections (unet): it keeps details that others lose."
    else:
        remedy, change = capacity(case)
    return case.found("worse-than-affine", seen, "certain", remedy, change, **figures)
