"""The two halves of an experiment: what all trials share, and what each may choose."""

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from autoencoder_hpo.config.base import Strict
from autoencoder_hpo.config.corruption import Corruption
from autoencoder_hpo.config.data import DataConfig
from autoencoder_hpo.config.model import ModelConfig
from autoencoder_hpo.config.optimizer import Adam, ConstantSchedule, OptimizerConfig, ScheduleConfig


class Task(Strict):
    """What makes the scores of two trials comparable; never searched."""

    data: DataConfig
    corruption: Corruption | None = None
    """The noise to remove, drawn once for validation. Only `pairs`, which bring theirs, omit it."""
    epochs: int = Field(ge=1, le=100_000)
    """The most epochs that a trial may train."""
    folds: int = Field(default=1, ge=1, le=100)
    """k-fold cross-validation over training and validation images; 1 is a single split."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Decides the split, the patches and the validation noise."""

    @model_validator(mode="after")
    def _noise_is_known(self) -> Self:
        if self.data.paired and self.corruption is not None:
            raise ValueError(
                f"{self.data.dataset} bring their own noise: leave task.corruption out"
            )
        if not self.data.paired and self.corruption is None:
            raise ValueError("task.corruption is missing, such as {kind: gaussian, sigma: 0.2}")
        return self


class TrialConfig(Strict):
    """One point of the search: everything that a trial may choose."""

    model: ModelConfig
    optimizer: OptimizerConfig = Adam(kind="adam")
    schedule: ScheduleConfig = ConstantSchedule(kind="constant")
    batch_size: int = Field(default=128, ge=1, le=65536)
    epochs: int | None = Field(default=None, ge=1)
    """Epochs to train, at most the task's; the task's when left out."""
    loss: Literal["mse", "l1", "huber", "bce"] = "mse"
    huber_delta: float = Field(default=0.1, gt=0, le=1)
    """Where the huber loss turns from quadratic to linear, in pixel units."""
    l1: float = Field(default=0.0, ge=0, le=10)
    """Penalty: l1 times the sum of the absolute weights is added to the loss."""
    l2: float = Field(default=0.0, ge=0, le=10)
    """Penalty: l2 times the sum of the squared weights is added to the loss."""
    gradient_clip: float | None = Field(default=None, gt=0)
    """The gradient's norm is scaled down to this."""
    early_stopping: PositiveInt | None = None
    """Stop after this many epochs without a better validation score."""
    standardize: bool = False
    """Give the model inputs of mean 0 and variance 1, by the training images' statistics."""
    corruption: Corruption | None = None
    """The noise to train with; the task's when left out. Validation always uses the task's."""

    @model_validator(mode="after")
    def _bce_needs_probabilities(self) -> Self:
        if self.loss == "bce" and self.model.output != "sigmoid":
            raise ValueError(f"loss bce needs model output sigmoid, not {self.model.output}")
        return self

    @model_validator(mode="after")
    def _batch_statistics_need_a_batch(self) -> Self:
        least = self.model.least_batch
        if self.batch_size < least:
            raise ValueError(
                f"normalization {self.model.normalization} needs a batch_size of {least} or more "
                f"in {self.model.words}"
            )
        return self
