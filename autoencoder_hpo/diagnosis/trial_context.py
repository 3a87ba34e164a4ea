"""A finished trial, with all that it is measured against."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from optuna.trial import TrialState

from autoencoder_hpo.config import Adam, RmsProp, Sgd, Task, TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.diagnosis.curves import Curve
from autoencoder_hpo.diagnosis.findings import Facts, Finding, Sure
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.study import Grid
from autoencoder_hpo.text import mse
from autoencoder_hpo.training.results import Health

PCA_SLACK = 2.0
"""Without noise, a trial is poor from twice the error of the best linear autoencoder of its size:
that one is exact, and few epochs come close to what is exact."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """An error that a good trial does not have, and where it comes from, in words."""

    mse: float
    said: str


@dataclass(frozen=True, slots=True)
class Case:
    """A trial that is complete or pruned."""

    trial: StoredTrial
    config: TrialConfig
    curve: Curve | None
    health: Health | None
    task: Task
    shape: tuple[int, int, int]
    """Channels, height and width of the images."""
    steps: int
    """Of an epoch."""
    noisy_mse: float | None
    affine_mse: float | None
    pca: Mapping[int, float]
    """The MSE that so many components leave; empty where it is not known."""
    grid: bool
    """Whether the study's sampler takes lists only."""
    metric: Metric
    """What the study improves."""

    @classmethod
    def of(cls, trial: StoredTrial, facts: Facts) -> "Case | None":
        """None for a trial that is not over, or failed."""
        data, study, config = facts.data, facts.study, trial.config
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or config is None:
            return None
        return cls(
            trial=trial,
            config=config,
            curve=Curve.of(trial.record.epochs),
            health=trial.record.health,
            task=study.task,
            shape=data.shape,
            steps=math.ceil(data.counts["train"] / config.batch_size),
            noisy_mse=data.noisy.mse,
            affine_mse=None if data.affine is None else data.affine.level.mse,
            pca={} if data.pca is None else data.pca.mse,
            grid=isinstance(study.search.sampler, Grid),
            metric=study.search.objective,
        )

    @property
    def complete(self) -> bool:
        return self.trial.state is TrialState.COMPLETE

    @property
    def reason(self) -> str:
        return self.trial.record.reason or ""

    @property
    def comparable(self) -> bool:
        """Whether the training loss is the validation error of other images."""
        same_noise = self.config.corruption in (None, self.task.corruption)
        return self.config.loss == "mse" and same_noise

    @property
    def needs_sigmoid(self) -> bool:
        """Whether the loss or the objective takes no pixels outside of [0, 1]."""
        return self.config.loss == "bce" or self.metric.refuses_output("residual") is not None

    @property
    def parameters(self) -> int:
        return self.trial.record.parameters or 0

    @property
    def bottleneck(self) -> int | None:
        """Values that an image is squeezed into; None where the model has no such place."""
        return self.config.model.bottleneck(self.shape)

    def pca_bound(self, size: int | None) -> float | None:
        """The MSE that a linear autoencoder of this size leaves of clean images.

        Between known sizes along a straight line in the logarithm of the size; None beyond them.
        """
        if size is None or not self.pca or size > max(self.pca):
            return None
        below = max((known for known in self.pca if known <= size), default=min(self.pca))
        above = min(known for known in self.pca if known >= size)
        if below == above:
            return self.pca[below]
        part = math.log(size / below) / math.log(above / below)
        return self.pca[below] + part * (self.pca[above] - self.pca[below])

    @property
    def yardstick(self) -> Yardstick | None:
        """What a trial must beat to be worth its training; None where nothing is known."""
        bound = self.pca_bound(self.bottleneck)
        if self.affine_mse is not None:
            said = f"an affine filter without any training leaves {mse(self.affine_mse)}"
            return Yardstick(self.affine_mse, said)
        if self.noisy_mse is not None:
            return Yardstick(self.noisy_mse, f"the noisy input itself has {mse(self.noisy_mse)}")
        if bound is not None and bound > 0:
            said = f"the best linear autoencoder of {self.bottleneck} values leaves {mse(bound)}"
            return Yardstick(PCA_SLACK * bound, said)
        return None

    @property
    def poor(self) -> bool:
        """Whether its best epoch is no better than the yardstick."""
        yardstick = self.yardstick
        return bool(yardstick and self.curve and self.curve.best >= yardstick.mse)

    def found(
        self,
        kind: str,
        seen: str,
        sure: Sure,
        remedy: str,
        change: str | None,
        **figures: float | str | None,
    ) -> Finding:
        """A finding about this trial; figures that are None are left out."""
        known = {
            name: float(f"{value:.5g}") if isinstance(value, float) else value
            for name, value in figures.items()
            if value is not None
        }
        return Finding(kind, f"trial {self.trial.number}", seen, known, sure, remedy, change)


def reach(case: Case) -> float | None:
    """How far all steps of a training can have moved its weights, as a part of their size."""
    size = None if case.health is None else case.health.weight_norm
    length = stride(case)
    if case.curve is None or length is None or not size:
        return None
    return float(case.steps * sum(case.curve.learning_rate) * length / size)


def stride(case: Case) -> float | None:
    """The length of a step at a learning rate of 1, if all steps go the same way.

    Adam and RMSprop move each weight by the learning rate, SGD by so much of its gradient.
    """
    norm = None if case.health is None else case.health.gradient_norm
    optimizer = case.config.optimizer
    if norm is None:
        return None
    match optimizer:
        case Sgd():
            return float(norm) / (1 - optimizer.momentum)
        case RmsProp():
            return float(case.parameters**0.5 / (1 - optimizer.momentum))
        case Adam():
            return float(case.parameters**0.5)
        case _ as never:
            assert_never(never)
