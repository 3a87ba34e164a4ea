"""How weights are moved, and how fast over the epochs."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from autoencoder_hpo.config.base import Strict


class OptimizerBase(Strict):
    learning_rate: float = Field(default=1e-3, gt=0, le=10)
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    """Decoupled for adamw; for the others it is added to the gradient."""


class Adam(OptimizerBase):
    kind: Literal["adam", "adamw"]
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)


class Sgd(OptimizerBase):
    kind: Literal["sgd"]
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class RmsProp(OptimizerBase):
    kind: Literal["rmsprop"]
    momentum: float = Field(default=0.0, ge=0, lt=1)
    alpha: float = Field(default=0.99, ge=0, lt=1)
    """Smoothing of the squared gradient."""


OptimizerConfig = Annotated[Adam | Sgd | RmsProp, Field(discriminator="kind")]


class ConstantSchedule(Strict):
    kind: Literal["constant"]


class StepSchedule(Strict):
    kind: Literal["step"]
    every: PositiveInt
    """Epochs between two drops."""
    factor: float = Field(default=0.5, gt=0, lt=1)
    """What the learning rate is multiplied by at each drop."""


class ExponentialSchedule(Strict):
    kind: Literal["exponential"]
    start_epoch: int = Field(default=0, ge=0)
    """Constant up to and including this epoch."""
    rate: float = Field(default=0.01, gt=0, le=10)
    """After it, every epoch multiplies the learning rate by exp(-rate)."""


class CosineSchedule(Strict):
    kind: Literal["cosine"]
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise from near 0, fractions allowed."""
    floor: float = Field(default=0.0, ge=0, lt=1)
    """Share of the learning rate that is left at the end."""


class OneCycleSchedule(Strict):
    """Cosine up to the learning rate, then far down (Smith & Topin, 2018)."""

    kind: Literal["one_cycle"]
    rise: float = Field(default=0.3, gt=0, lt=1)
    """Share of the steps spent rising, from 1/25 of the learning rate."""


class PlateauSchedule(Strict):
    kind: Literal["plateau"]
    patience: PositiveInt = 3
    """Epochs without a better validation MSE before a drop."""
    factor: float = Field(default=0.5, gt=0, lt=1)


ScheduleConfig = Annotated[
    ConstantSchedule
    | StepSchedule
    | ExponentialSchedule
    | CosineSchedule
    | OneCycleSchedule
    | PlateauSchedule,
    Field(discriminator="kind"),
]
