"""Cross-validation: the folds advance together, and their mean is what counts."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.training.loop import Training, best_of
from autoencoder_hpo.training.metrics import mean_scores
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import EpochResult, Scores
from autoencoder_hpo.training.steps import Steps, drive, together


class FoldedTraining:
    """A `Training` for each fold, epoch by epoch; yields the mean over the folds.

    The best epoch is the best of the mean; `scores` are those of all folds in that epoch.
    """

    def __init__(self, trainings: Sequence[Training], best_by: Metric) -> None:
        self.trainings = trainings
        self.best_by = best_by

    @property
    def history(self) -> list[EpochResult]:
        return [
            _mean(results) for results in zip(*(t.history for t in self.trainings), strict=False)
        ]  # not strict: a cancelled epoch may have ended in some folds only

    @property
    def best(self) -> EpochResult | None:
        return best_of(self.history, self.best_by)

    @property
    def parameters(self) -> int:
        return self.trainings[0].parameters

    @property
    def n_fused(self) -> int:
        return max(training.n_fused for training in self.trainings)

    @property
    def finished(self) -> bool:
        return all(training.finished for training in self.trainings)

    def __iter__(self) -> Iterator[EpochResult]:
        while (result := drive(self.advance())) is not None:
            yield result

    def advance(self) -> Steps[EpochResult | None]:
        """Train one more epoch of all folds, step by step together; None when all were trained."""
        if self.finished:
            return None
        epoch = min(len(training.history) for training in self.trainings) + 1
        # One that has fewer batches may have ended an epoch in which the others were saved.
        behind = [training for training in self.trainings if len(training.history) < epoch]
        yield from together([training.epoch() for training in behind])
        result = _mean([training.history[-1] for training in self.trainings])
        if self.best is not None and self.best.epoch == result.epoch:
            for training in self.trainings:
                training.keep_weights()
        return result

    def restore(self) -> Tensor:
        """The first fold's validation images."""
        return self.trainings[0].restore()

    def group_psnr(self) -> dict[str, float] | None:
        """The first fold's."""
        return self.trainings[0].group_psnr()

    def scores(self) -> Scores:
        return mean_scores([training.scores() for training in self.trainings])

    def state_dict(self) -> dict[str, Any]:
        return {"folds": [training.state_dict() for training in self.trainings]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for training, own in zip(self.trainings, state["folds"], strict=True):
            training.load_state_dict(own)


def build_training(
    task: Task,
    config: TrialConfig,
    data: Sequence[DeviceData],
    *,
    seed: int,
    save: Callable[[], None] = lambda: None,
    **how: Any,
) -> Training | FoldedTraining:
    """A training on one prepared set, or on one for each fold. `how` is passed to `Training`."""
    if len(data) == 1:
        return Training(task, config, data[0], seed=seed, save=save, **how)
    trainings = [
        Training(task, config, fold, seed=seed_for(seed, "fold", number), **how)
        for number, fold in enumerate(data)
    ]
    trainings[0].save = save  # all folds are saved at once
    return FoldedTraining(trainings, how.get("best_by", Metric.VAL_MSE))


def _mean(results: Sequence[EpochResult]) -> EpochResult:
    records = [result.as_record() for result in results]
    columns = {name: [record[name] for record in records] for name in records[0]}
    means = {name: math.fsum(values) / len(values) for name, values in columns.items()}
    return EpochResult.of_record({**means, "epoch": results[0].epoch})
