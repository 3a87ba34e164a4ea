"""Tiny studies that were worked on, to be diagnosed."""

from collections.abc import Callable
from typing import Any

import pytest
from support import Create, inputs_of

from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial

Finish = Callable[..., StudyHandle]
PRUNING = {
    "task": {"epochs": 4},
    "search": {
        "trials": 3,
        "pruner": {"kind": "median", "startup_trials": 1, "warmup_epochs": 0},
        "start": [
            {"optimizer": {"learning_rate": 1e-2}},
            {"optimizer": {"learning_rate": 1e-5}},
            {"optimizer": {"learning_rate": 1.1e-5}},
        ],
    },
    "trial": {"optimizer": {"kind": "adam", "learning_rate": {"float": [1e-5, 1e-2], "log": True}}},
}


@pytest.fixture
def finish(create: Create, context: WorkerContext) -> Finish:
    """Create a study with these changes, and work on so many trials, or on all of them."""

    def make(*, trials: int | None = None, **changes: Any) -> StudyHandle:
        opened = create(**changes)
        _work(opened, context, trials or opened.study.search.trials or 0)
        return opened

    return make


def _work(opened: StudyHandle, context: WorkerContext, trials: int) -> None:
    data = inputs_of(opened.file, context.settings).prepared
    for _ in range(trials):
        claimed = claim(opened, context.worker)
        assert isinstance(claimed, Claimed), claimed
        run_trial(opened, claimed, data, context, cancelled=lambda: False)


def prune(create: Create, context: WorkerContext) -> StudyHandle:
    """A study whose first trial is complete, and whose others were pruned."""
    opened = create(**PRUNING)
    _work(opened, context, 3)
    assert [trial.state.name for trial in opened.trials()] == ["COMPLETE", "PRUNED", "PRUNED"]
    return opened
