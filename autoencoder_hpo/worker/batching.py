"""Several trials of one shape at once: which trials those are, and how many pay."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch

from autoencoder_hpo.config import Task
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.study import CmaEs, GaussianProcess, Random, Tpe
from autoencoder_hpo.training.graphed import GraphedSteps
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.stacked import StackedSteps, is_per_model, shape_of
from autoencoder_hpo.training.steps import (
    StepRequest,
    Steps,
    Take,
    TrainState,
    drive,
    one_by_one,
    together,
)
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.outcomes import Outcome
from autoencoder_hpo.worker.trial import trial_steps

log = logging.getLogger(__name__)
NumberFused = int | Literal["auto"]

MOST = 64
PAYS = 1.1
"""Twice the models must train this many times as many images a second, or there are enough."""
ALONE, ALONE_SHARE = 20, 1 / 3
"""So many trials of a study, and at least this part of its budget, come first and choose their
shapes freely: a search that sees few shapes early ends worse (docs/speed.md)."""
FILLINGS = 1
"""How many times its size a stack may have had in all, when others take the places of trials that
ended early. Twice is little faster (docs/speed.md), and leaves the sampler fewer shapes."""
WARM, TIMED = 3, 5
"""Steps taken before the clock starts, and while it runs."""
FREE = (Tpe, Random, GaussianProcess, CmaEs)
"""Samplers that go on well when some parameters are given; others visit set points."""


class Batcher:
    """Trains trials with others of their shape, as many as pay; remembers how many do."""

    def __init__(self, wish: NumberFused, *, fillings: int = FILLINGS) -> None:
        self.wish = wish
        self.fillings = fillings
        self._sizes: dict[Any, int] = {}

    def run(
        self,
        opened: StudyHandle,
        claimed: Claimed,
        data: Sequence[DeviceData],
        context: WorkerContext,
        *,
        cancelled: Callable[[], bool],
    ) -> list[tuple[Claimed, Outcome]]:
        """Train the trial and those that are claimed to go along with it.

        Raises as `run_trial` does.
        """

        def steps(trial: Claimed) -> Steps[tuple[Claimed, Outcome]]:
            outcome = yield from trial_steps(opened, trial, data, context, cancelled=cancelled)
            return trial, outcome

        trained = [claimed]

        def others(requests: Sequence[StepRequest]) -> Iterator[Steps[tuple[Claimed, Outcome]]]:
            size = self._size(opened.study.task, requests[0]) // len(data)
            room = min(size - len(requests) // len(data), self.fillings * size - len(trained))
            for _ in range(room):
                another = None if cancelled() else _another(opened, claimed, context.worker)
                if another is None:
                    return
                trained.append(another)
                yield steps(another)

        on_gpu = context.device.type == "cuda"
        pays = on_gpu or isinstance(self.wish, int)  # on a core it never did: docs/speed.md
        if self.wish == 1 or not pays or claimed.number < _free(opened):
            return [drive(steps(claimed), GraphedSteps() if on_gpu else one_by_one)]
        join = others if isinstance(opened.study.search.sampler, FREE) else lambda _: ()
        return drive(together([steps(claimed)], join), GraphedSteps() if on_gpu else StackedSteps())

    def _size(self, task: Task, first: StepRequest) -> int:
        if self.wish != "auto":
            return self.wish
        shape = shape_of(first.train_state)
        if shape not in self._sizes:
            self._sizes[shape] = best_size(task, first.train_state)
            log.info("%d models like %s train at once", self._sizes[shape], shape)
        return self._sizes[shape]


def _free(opened: StudyHandle) -> int:
    """How many trials of a study go alone before the first stack."""
    return max(ALONE, int(ALONE_SHARE * (opened.study.search.trials or 0)))


def _another(opened: StudyHandle, claimed: Claimed, worker: str) -> Claimed | None:
    """A trial of the same shape; None when there is none, or the database does not answer.

    Those that train do not wait for it.
    """
    try:
        another = claim(opened, worker, fixed=_shape(opened, claimed))
    except Exception as error:
        if not is_outage(error):
            raise
        opened.storage.outages.saw()
        return None
    return another if isinstance(another, Claimed) else None


def _shape(opened: StudyHandle, claimed: Claimed) -> Mapping[str, Any]:
    """The trial's parameters that others must have too, to be trained at once with it."""
    trial = opened.storage.rdb.get_trial(claimed.trial_id)
    return {name: value for name, value in trial.params.items() if not is_per_model(name)}


def best_size(task: Task, train_state: TrainState, most: int = MOST) -> int:
    """How many models like this one to train at once: doubled as long as that pays."""
    best, rate, size = 1, 0.0, 1
    while size <= most:
        seconds = _seconds_of_step(task, train_state, size)
        if seconds is None or size / seconds < PAYS * rate:
            break
        best, rate, size = size, size / seconds, 2 * size
    return best


def _seconds_of_step(task: Task, train_state: TrainState, size: int) -> float | None:
    """Of so many models at once; None when they do not fit into memory."""
    index = torch.arange(min(train_state.config.batch_size, len(train_state.data.train_clean)))
    try:
        models = [
            Training(
                task,
                train_state.config,
                train_state.data,
                seed=seed,
                precision=train_state.precision,
            ).train_state
            for seed in range(size)
        ]
        requests = [
            StepRequest(model, index.to(train_state.data.train_clean.device), 1e-3)
            for model in models
        ]
        take: Take = GraphedSteps() if train_state.data.device.type == "cuda" else StackedSteps()
        for number in range(WARM + TIMED):
            if number == WARM:
                started = _now(train_state.data.device)
            for error in take(requests):
                if error is not None:
                    raise error
        return (_now(train_state.data.device) - started) / TIMED
    except torch.OutOfMemoryError:
        return None


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
