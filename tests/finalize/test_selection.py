"""The retrained trials against each other: planted scores, real files."""

from pathlib import Path

import pytest
import torch
from finalize.conftest import Finish

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.finalize.plan import Plan, Request, make_plan
from autoencoder_hpo.finalize.retraining import Retrained, write_result
from autoencoder_hpo.finalize.selection import decide
from autoencoder_hpo.worker.context import WorkerContext

IMAGES = 50


def plant(plan: Plan, ahead: dict[int, float], *, diverged: tuple[int, ...] = ()) -> None:
    """Results by which each trial is so many dB ahead, give or take what seeds do."""
    draws = torch.Generator().manual_seed(0)
    hard = 24 + 3 * torch.randn(IMAGES, generator=draws, dtype=torch.float64)
    for job in plan.jobs:
        own = 0.3 * torch.randn(IMAGES, generator=draws, dtype=torch.float64)
        scores = hard + ahead[job.trial] + own - own.mean()
        bad = job.trial in diverged and job.repeat == 1
        result = Retrained(
            epochs=2,
            best_epoch=0 if bad else 2,
            parameters=plan.of(job.trial).parameters,
            values_N=scores[:0] if bad else scores,
            weights={"w": torch.zeros(1)},
        )
        write_result(job, result, plan.folder)


@pytest.fixture
def plan(finish: Finish, context: WorkerContext) -> Plan:
    """Two contenders: the unet of trial 1 has fewer parameters than the mlp of trial 0."""
    made = make_plan(finish(), Request(seeds=2, out=Path("x")), context.settings)
    assert made.of(1).parameters < made.of(0).parameters
    return made


def test_a_planted_winner(plan: Plan) -> None:
    plant(plan, {0: 0.5, 1: 0.0})
    selection = decide(plan, None)
    assert selection.verdict.winner == 0
    assert selection.verdict.ranking[1].behind.mean == pytest.approx(0.5)
    assert selection.by_seed[0] == pytest.approx((24.5, 24.5), abs=1)
    assert selection.images == IMAGES


def test_a_planted_tie_goes_to_the_smaller_model(plan: Plan) -> None:
    plant(plan, {0: 0.01, 1: 0.0})
    selection = decide(plan, None)
    assert (selection.verdict.leader, selection.verdict.winner) == (0, 1)
    assert "a tie" in selection.verdict.reason


def test_patches_of_few_files_prove_less(plan: Plan) -> None:
    plant(plan, {0: 0.5, 1: 0.0})
    selection = decide(plan, torch.zeros(IMAGES, dtype=torch.int64))
    assert selection.verdict.winner == 1
    assert "one file cannot tell" in selection.verdict.reason


def test_a_trial_that_diverged_cannot_win(plan: Plan) -> None:
    plant(plan, {0: 0.5, 1: 0.0}, diverged=(0,))
    selection = decide(plan, None)
    assert selection.verdict.winner == 1
    assert selection.diverged == (0,)
    plant(plan, {0: 0.5, 1: 0.0}, diverged=(0, 1))
    with pytest.raises(StudyError, match="not finite with some seed; --top N"):
        decide(plan, None)
