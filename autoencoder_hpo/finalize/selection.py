"""The retrained trials, compared on validation."""

from collections import defaultdict

import numpy as np
from torch import Tensor

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.finalize.comparison import Candidate, choose_winner
from autoencoder_hpo.finalize.plan import Plan
from autoencoder_hpo.finalize.results import Selection
from autoencoder_hpo.finalize.retraining import Retrained, read_result
from autoencoder_hpo.seeds import seed_for


def decide(plan: Plan, groups: Tensor | None) -> Selection:
    """Who wins: each trial's score of every validation image, averaged over its seeds.

    Args:
        groups: int64, the files of the validation images; None when each is its own.

    Raises:
        StudyError: no trial had a finite loss with every seed.
    """
    results = _results(plan)
    diverged = tuple(trial for trial, own in results.items() if any(r.diverged for r in own))
    candidates = [
        Candidate(trial, own[0].parameters, np.mean([r.values_N.numpy() for r in own], axis=0))
        for trial, own in results.items()
        if trial not in diverged
    ]
    if not candidates:
        raise StudyError(
            f"study {plan.opened.name}",
            [
                "the loss of every trial was not finite with some seed; --top N tries more trials, "
                "and a lower learning_rate in the study file helps"
            ],
        )
    found = choose_winner(
        candidates,
        metric=plan.opened.study.search.objective.shown,
        groups=None if groups is None else groups.numpy(),
        seed=seed_for(plan.opened.study.task.seed, "bootstrap"),
    )
    by_seed = {
        trial: tuple(float(r.values_N.mean()) for r in own if not r.diverged)
        for trial, own in results.items()
    }
    return Selection(found, by_seed, diverged, len(candidates[0].values_N))


def _results(plan: Plan) -> dict[int, list[Retrained]]:
    found: dict[int, list[Retrained]] = defaultdict(list)
    for job in plan.jobs:
        result = read_result(job, plan.folder)
        assert result is not None, f"{job.name} was retrained"
        found[job.trial].append(result)
    return found
