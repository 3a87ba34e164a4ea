"""Folds: they advance together, and their mean is what counts."""

import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from support import after
from training.examples import TASK, config, prepared, saved_midway, stored

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.training import loop
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.loop import Cancelled
from autoencoder_hpo.training.steps import Steps


def folded(**how: Any) -> FoldedTraining:
    folds = build_training(TASK, config(), [prepared(), prepared(), prepared()], seed=3, **how)
    assert isinstance(folds, FoldedTraining)
    return folds


def test_folds_yield_their_mean() -> None:
    run = folded()
    results = list(run)
    for number, mean in enumerate(results):
        own = [training.history[number].val_mse for training in run.trainings]
        assert mean.val_mse == pytest.approx(sum(own) / 3)
        assert len(set(own)) == 3  # each fold has a seed of its own
    assert run.history == results
    assert run.best is not None
    assert run.scores().val_mse == pytest.approx(run.best.val_mse, rel=1e-5)


def test_stopped_folds_go_on_to_the_identical_curve() -> None:
    whole = list(folded())
    first = folded()
    begun = [next(iter(first)), next(iter(first))]
    second = folded()
    second.load_state_dict(stored(first.state_dict()))
    assert begun + list(second) == whole


def test_folds_that_are_cancelled_anywhere_go_on_to_the_identical_curve() -> None:
    whole, met = list(folded()), set()
    for stopped in range(3, 60, 4):
        first = folded(cancelled=after(stopped))
        with pytest.raises(Cancelled):
            list(first)
        met.add(len({len(training.history) for training in first.trainings}))
        second = folded()
        second.load_state_dict(stored(first.state_dict()))
        begun = list(second.history)
        assert begun + list(second) == whole
    assert met == {1, 2}, "some were stopped when one fold had ended its epoch"


def nowhere(train: Callable[[], Steps[tuple[float, float]]]) -> Steps[tuple[float, float]]:
    """An epoch whose training loss is not finite."""
    _, lr = yield from train()
    return math.nan, lr


def test_the_best_mean_epoch_is_kept_whatever_its_training_loss() -> None:
    run = folded()
    for training in run.trainings:
        training._train = partial(nowhere, training._train)  # type: ignore[method-assign]
    next(iter(run))
    assert run.scores().val_mse > 0


def test_one_set_is_a_plain_training() -> None:
    assert not isinstance(build_training(TASK, config(), [prepared()], seed=3), FoldedTraining)


def test_the_best_epoch_follows_the_metric_asked_for() -> None:
    run = folded(best_by=Metric.VAL_PSNR)
    results = list(run)
    assert run.best == max(results, key=lambda result: result.val_psnr)
    assert run.scores().val_psnr == pytest.approx(run.best.val_psnr, rel=1e-5)
    assert run.parameters == run.trainings[0].parameters
    assert torch.equal(run.restore(), run.trainings[0].restore())


def test_folds_saved_midway_go_on_to_the_identical_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when some folds are an epoch ahead of others."""
    monkeypatch.setattr(loop, "MIDWAY_S", -1.0)
    whole = list(folded())
    saved = saved_midway(folded())
    for state in (saved[2], saved[10], saved[-3]):
        again = folded()
        again.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
        begun = list(again.history)
        assert begun + list(again) == whole
