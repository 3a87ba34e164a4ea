"""What is trained: plain frozen values, no ranges.

A `Task` is what all trials of a study share, because it makes their scores comparable;
a `TrialConfig` is what each trial may choose. Data, models and training are built from
these two and never see an Optuna trial.

base        frozen values, and errors that name the misspelt key
data        where clean images come from
corruption  the noise that is to be removed
model       kinds of model, and what follows from each
optimizer   optimizers and schedules of the learning rate
metric      what a search can improve
trial       the two halves: the task, and what a trial may choose
"""

from autoencoder_hpo.config.base import Strict
from autoencoder_hpo.config.corruption import (
    Corruption,
    CorruptionBase,
    GaussianNoise,
    Masking,
    NoCorruption,
    PoissonNoise,
    SaltAndPepper,
    Speckle,
)
from autoencoder_hpo.config.data import (
    ArrayData,
    DataConfig,
    DigitsData,
    FolderData,
    PairsData,
    TorchvisionData,
)
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.config.model import (
    Activation,
    ConvConfig,
    ImageShape,
    MlpConfig,
    ModelBase,
    ModelConfig,
    Normalization,
    Output,
    Remedy,
    UnetConfig,
)
from autoencoder_hpo.config.optimizer import (
    Adam,
    ConstantSchedule,
    CosineSchedule,
    ExponentialSchedule,
    OneCycleSchedule,
    OptimizerConfig,
    PlateauSchedule,
    RmsProp,
    ScheduleConfig,
    Sgd,
    StepSchedule,
)
from autoencoder_hpo.config.trial import Task, TrialConfig

__all__ = [
    "Activation",
    "Adam",
    "ArrayData",
    "ConstantSchedule",
    "ConvConfig",
    "Corruption",
    "CorruptionBase",
    "CosineSchedule",
    "DataConfig",
    "DigitsData",
    "ExponentialSchedule",
    "FolderData",
    "GaussianNoise",
    "ImageShape",
    "Masking",
    "Metric",
    "MlpConfig",
    "ModelBase",
    "ModelConfig",
    "NoCorruption",
    "Normalization",
    "OneCycleSchedule",
    "OptimizerConfig",
    "Output",
    "PairsData",
    "PlateauSchedule",
    "PoissonNoise",
    "Remedy",
    "RmsProp",
    "SaltAndPepper",
    "ScheduleConfig",
    "Sgd",
    "Speckle",
    "StepSchedule",
    "Strict",
    "Task",
    "TorchvisionData",
    "TrialConfig",
    "UnetConfig",
]
