"""What holds a whole search back: its best, its space, its pruner, its budget, its failures."""

from autoencoder_hpo.diagnosis.edits import small_unet
from autoencoder_hpo.diagnosis.failures import of_failures
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.pruning import of_pruning
from autoencoder_hpo.diagnosis.ranges import of_ranges
from autoencoder_hpo.diagnosis.ranking import complete, level, near, ranked
from autoencoder_hpo.space import most_at_once
from autoencoder_hpo.storage.plateau import without_progress
from autoencoder_hpo.study import Grid

STANDSTILL, STANDSTILL_SHARE = 30, 2 / 3
"""Trials without progress, and of all trials. Of n blind trials the last one is the best with a
chance of 1 / n (Rényi, 1962): progress becomes rare by itself."""
AS_GOOD = 5
"""Trials as good as the best: then it is no lucky one, and the search has been where it is."""
TRIALS_A_PARAMETER = 3
"""Fewer leave ends and middle of some range untried, even if each had only those."""
FEWEST_COMPLETE = 3
"""The first trial or two of a search may be bad ones."""


def of_search(facts: Facts) -> list[Finding]:
    """All that the trials together say; those of one trial are `trials.of_trial`'s."""
    return [
        *_worse_than_a_baseline(facts),
        *of_ranges(facts),
        *of_pruning(facts),
        *_plateau(facts),
        *_too_few_trials(facts),
        *of_failures(facts),
    ]


def _worse_than_a_baseline(facts: Facts) -> list[Finding]:
    """The study's best against the noisy input and the affine filter, where they are known."""
    done = complete(facts)
    if len(done) < FEWEST_COMPLETE:
        return []
    best, psnr = done[0], done[0].record.val_psnr
    mark = None if facts.data.affine is None else facts.data.affine.psnr
    known = {
        "worse-than-input": ("the noisy input itself", facts.data.noisy.psnr),
        "worse-than-affine": ("the affine filter, a formula", mark),
    }
    for kind, (what, mark) in known.items():
        if psnr is not None and mark is not None and psnr < mark:
            return [_worse(kind, what, psnr, mark, best.number, facts)]
    return []


def _worse(kind: str, what: str, psnr: float, mark: float, trial: int, facts: Facts) -> Finding:
    remedy, change = "Try a unet: its skip connections keep details.", small_unet(facts)
    if change is None:
        remedy = "Train longer; then try higher learning rates and wider models."
        change = f"task.epochs: {2 * facts.study.task.epochs}"
    return Finding(
        kind=kind,
        about="study",
        seen=f"The best trial, {trial}, reaches {psnr:.2f} dB, and {what} {mark:.2f} dB.",
        figures={"best, dB": round(psnr, 3), "baseline, dB": round(mark, 3)},
        sure="certain",
        remedy=remedy,
        change=change,
    )


def _plateau(facts: Facts) -> list[Finding]:
    """A standstill, by a rule of our own."""
    if not complete(facts) or isinstance(facts.study.search.sampler, Grid):
        return []  # a grid tries all of its cells, in whatever order
    done = {trial.number: level(trial, facts) for trial in complete(facts)}
    ended = sorted(trial.number for trial in ranked(facts))
    metric = facts.study.search.objective
    since = without_progress([done.get(number) for number in ended], step=metric.step)
    best = max(done.values())
    as_good = sum(best - each < near(facts) for each in done.values())
    if since < max(STANDSTILL, STANDSTILL_SHARE * len(ended)) or as_good < AS_GOOD:
        return []
    return [
        Finding(
            kind="plateau",
            about="study",
            seen=f"The last {since} of {len(ended)} trials have not bettered the best by "
            f"{metric.step:g} {metric.distance_unit}, and {as_good} are within {near(facts):g} "
            f"{metric.distance_unit} of it.",
            figures={"without progress": since, "trials": len(ended), "as good": as_good},
            sure="likely",
            remedy="Stop here and finalize, or go on with a wider space or more epochs: more "
            "trials of the same will hardly help. Patience lets a study stop by itself.",
            change=f"search.patience: {STANDSTILL}",
        )
    ]


def _too_few_trials(facts: Facts) -> list[Finding]:
    """Fewer trials than the space needs, once all of them were done, or by what is planned."""
    ended, planned = len(ranked(facts)), facts.study.search.trials
    searched = most_at_once(facts.study.space)
    needed = TRIALS_A_PARAMETER * searched
    will_be = ended if facts.over or planned is None else max(ended, planned)
    is_known = facts.over or planned is not None
    if (
        not ended
        or not is_known
        or will_be >= needed
        or isinstance(facts.study.search.sampler, Grid)
    ):
        return []
    return [
        Finding(
            kind="too-few-trials",
            about="study",
            seen=f"{will_be} trials search {searched} parameters at once: too few to tell which "
            "values are good.",
            figures={"trials": will_be, "parameters": searched, "needed": needed},
            sure="likely" if 2 * will_be < needed else "possible",
            remedy=f"Give the study at least {needed} trials, or search fewer parameters.",
            change=f"search.trials: {needed}",
        )
    ]
