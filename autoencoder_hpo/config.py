"""What is trained: plain frozen values, no ranges.

A `Task` is what all trials of a study share, because it makes their scores comparable;
a `TrialConfig` is what each trial may choose. Data, models and training are built from
these two and never see an Optuna trial.
"""

import difflib
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """Values cannot change once checked, and a misspelt key is an error that says so."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, given: Any) -> Any:
        unknown = (
            [key for key in given if key not in cls.model_fields] if type(given) is dict else []
        )
        if unknown:
            key = str(unknown[0])
            close = difflib.get_close_matches(key, cls.model_fields, 1)
            raise PydanticCustomError(
                "unknown_key",
                "unknown key {key}{hint}; allowed: {allowed}",
                {
                    "key": key,
                    "hint": f" (did you mean {close[0]}?)" if close else "",
                    "allowed": ", ".join(cls.model_fields),
                },
            )
        return given


# ---- data: where clean images come from ------------------------------------------------

Share = Annotated[float, Field(gt=0, lt=1)] | PositiveInt


class DataBase(Strict):
    """What every data set may say, and what follows from its kind."""

    split_by: ClassVar[Literal["images", "files"]] = "images"
    """What `validation` and `test` count. The patches of a file stay together."""
    paired: ClassVar[bool] = False
    """Whether it brings a noisy partner for each image; then a task has no corruption."""

    train: PositiveInt | None = None
    """How many training images to search on, drawn with the task's seed; all when left out."""
    validation: Share = 0.1
    """Validation images: a share of those that are not test images, or a number of them."""
    test: Share = 0.1
    """Test images, held out: a share or a number. Data sets with official test images use those."""
    scale: Literal["dtype", "minmax"] = "dtype"
    """How pixels reach [0, 1]: by their type's range, or by the training images' extremes."""


class DigitsData(DataBase):
    """scikit-learn's 1,797 handwritten digits, 8×8; needs no network."""

    dataset: Literal["digits"]


class TorchvisionData(DataBase):
    """A data set that torchvision downloads on first use."""

    dataset: Literal["fashion_mnist", "mnist", "kmnist", "emnist", "cifar10", "svhn"]
    root: Path | None = None
    """A folder that holds a copy already: torchvision's layout, or the bare IDX files."""


class FolderData(DataBase):
    """Any images below a folder, cut into fixed patches and split by file."""

    split_by = "files"

    dataset: Literal["folder"]
    path: Path
    """The folder; images are found in it and below it."""
    patch: int | None = Field(default=None, ge=4)
    """Side of the square patches, in pixels; left out, whole images of one size are used."""
    patches: PositiveInt = 64
    """Patches cut from each image, at places drawn with the task's seed."""
    color: Literal["auto", "grey", "rgb"] = "auto"
    """What images become; `auto` takes them as they are, when all are the same."""


class PairsData(DataBase):
    """Two folders, noisy and clean, whose files are matched by name."""

    split_by = "files"
    paired = True

    dataset: Literal["pairs"]
    noisy: Path
    clean: Path
    patch: int | None = Field(default=None, ge=4)
    """Side of the square patches, in pixels; left out, whole images of one size are used."""
    patches: PositiveInt = 64
    """Patches cut from each pair, at places drawn with the task's seed."""
    color: Literal["auto", "grey", "rgb"] = "auto"


class ArrayData(DataBase):
    """Images or feature vectors in a .npy or .npz file: [N,H,W], [N,C,H,W], [N,H,W,C] or [N,D]."""

    dataset: Literal["array"]
    path: Path
    key: str | None = None
    """The array's name inside an .npz file that holds several."""
    layout: Literal["auto", "channels_first", "channels_last"] = "auto"
    """Where a four-dimensional array keeps its channels."""
    missing: Literal["refuse", "mean", "zero"] = "refuse"
    """What becomes of NaN and infinite pixels: an error, the training images' mean there, or 0."""


DataConfig = Annotated[
    DigitsData | TorchvisionData | FolderData | PairsData | ArrayData,
    Field(discriminator="dataset"),
]


# ---- corruption: the noise that is to be removed ---------------------------------------


MOST_SHARE = 0.95
"""Of the pixels, of noise made stronger; a mask over all of them would leave nothing to restore."""


class CorruptionBase(Strict, ABC):
    """What every kind of noise says of itself, by arithmetic alone.

    What needs tensors is told in two places: `data.corruption` draws the noise, and
    `baselines.expected` knows its mean. Noise is independent between pixels.
    """

    clip: bool = True
    """Clip corrupted pixels to [0, 1], as a sensor does."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What noise it is, and how much, as a person would say it."""

    @property
    @abstractmethod
    def strength(self) -> float:
        """Proportional to what the noise does to a pixel: a standard deviation, or a share.

        0 where it does nothing. Two strengths are compared within one kind only.
        """

    @abstractmethod
    def times(self, factor: float) -> Self | None:
        """The same kind of noise, so many times as strong; None where it has no other strength.

        It is not checked again: it may be stronger than a study file may ask for.
        """

    @property
    @abstractmethod
    def invertible(self) -> bool:
        """Whether the mean of a noisy pixel rises with the clean one, so that it tells of it."""

    @property
    @abstractmethod
    def additive_sigma(self) -> float | None:
        """Standard deviation of noise that is added alike to every pixel, before clipping.

        Such noise can be estimated from one image. None for any other.
        """

    @property
    def damages(self) -> bool:
        """Whether there is anything to remove."""
        return self.strength > 0

    @property
    def bounded(self) -> bool:
        """Whether corrupted pixels are kept in [0, 1]."""
        return self.clip or not self.damages


class NoCorruption(CorruptionBase):
    """Leave images as they are: a clean autoencoder."""

    kind: Literal["none"]

    @property
    def words(self) -> str:
        return "none"

    @property
    def strength(self) -> float:
        return 0.0

    def times(self, factor: float) -> None:
        return None

    @property
    def invertible(self) -> bool:
        return True

    @property
    def additive_sigma(self) -> None:
        return None


class GaussianNoise(CorruptionBase):
    """Additive: x + sigma·n, with n standard normal."""

    kind: Literal["gaussian"]
    sigma: float = Field(gt=0, le=10)
    """Standard deviation, for images in [0, 1]."""

    @property
    def words(self) -> str:
        return f"Gaussian, sigma {self.sigma:g}"

    @property
    def strength(self) -> float:
        return self.sigma

    def times(self, factor: float) -> Self:
        return self.model_copy(update={"sigma": self.sigma * factor})

    @property
    def invertible(self) -> bool:
        return True

    @property
    def additive_sigma(self) -> float:
        return self.sigma


class SaltAndPepper(CorruptionBase):
    """Pixels set to 0 or 1, half each."""

    kind: Literal["salt_and_pepper"]
    fraction: float = Field(gt=0, le=1)
    """Share of the pixels that are replaced."""

    @property
    def words(self) -> str:
        return f"salt and pepper, {self.fraction:.0%} of the pixels"

    @property
    def strength(self) -> float:
        return self.fraction

    def times(self, factor: float) -> Self:
        return self.model_copy(update={"fraction": min(self.fraction * factor, MOST_SHARE)})

    @property
    def invertible(self) -> bool:
        return self.fraction < 1

    @property
    def additive_sigma(self) -> None:
        return None


class Masking(CorruptionBase):
    """Pixels set to 0."""

    kind: Literal["masking"]
    fraction: float = Field(gt=0, lt=1)
    """Share of the pixels that are erased."""

    @property
    def words(self) -> str:
        return f"masking, {self.fraction:.0%} of the pixels"

    @property
    def strength(self) -> float:
        return self.fraction

    def times(self, factor: float) -> Self:
        return self.model_copy(update={"fraction": min(self.fraction * factor, MOST_SHARE)})

    @property
    def invertible(self) -> bool:
        return True

    @property
    def additive_sigma(self) -> None:
        return None


class Speckle(CorruptionBase):
    """Multiplicative: x·(1 + sigma·n), with n standard normal."""

    kind: Literal["speckle"]
    sigma: float = Field(gt=0, le=10)
    """Standard deviation of the factor."""

    @property
    def words(self) -> str:
        return f"speckle, sigma {self.sigma:g}"

    @property
    def strength(self) -> float:
        return self.sigma

    def times(self, factor: float) -> Self:
        return self.model_copy(update={"sigma": self.sigma * factor})

    @property
    def invertible(self) -> bool:
        return True

    @property
    def additive_sigma(self) -> None:
        return None


class PoissonNoise(CorruptionBase):
    """Photon counting: Poisson(x·peak) / peak."""

    kind: Literal["poisson"]
    peak: float = Field(gt=0, le=1e6)
    """Photons that a pixel of value 1.0 receives on average."""

    @property
    def words(self) -> str:
        return f"Poisson, {self.peak:g} photons at white"

    @property
    def strength(self) -> float:
        return float(self.peak**-0.5)  # the noise falls with the root of the photons

    def times(self, factor: float) -> Self:
        return self.model_copy(update={"peak": self.peak / factor**2})

    @property
    def invertible(self) -> bool:
        return True

    @property
    def additive_sigma(self) -> None:
        return None


Corruption = Annotated[
    NoCorruption | GaussianNoise | SaltAndPepper | Masking | Speckle | PoissonNoise,
    Field(discriminator="kind"),
]


# ---- model -----------------------------------------------------------------------------

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
Normalization = Literal["none", "batch", "layer", "group"]
Output = Literal["sigmoid", "linear", "residual"]
ImageShape = tuple[int, int, int]
"""Channels, height and width."""


MORE_CHANNELS = "Give it more channels, then more levels (depth)."
ROUND_THE_BOTTLENECK = "Widen the bottleneck (latent), or use a unet, whose skips go round it."


class Remedy(NamedTuple):
    """A field of a model that would better be larger, and how a person would say so."""

    field: str
    advice: str


class ModelBase(Strict, ABC):
    """What every model may say, and what each must let be known before it is built.

    A kind that forgets one of the abstract members cannot be read from a study file.
    """

    activation: Activation = "relu"
    normalization: Normalization = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the activations dropped while training."""
    output: Output = "sigmoid"
    """`residual` predicts the noise and subtracts it from the input."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What it is, as a person would say it: `an mlp`."""

    @abstractmethod
    def check(self, shape: ImageShape) -> None:
        """Whether it can take images of this shape.

        Raises:
            ValueError: it cannot; says why and what would do.
        """

    @abstractmethod
    def size(self, shape: ImageShape) -> tuple[int, int] | None:
        """(H, W) of the only images it takes, once built for this shape; None when it takes any."""

    @property
    @abstractmethod
    def multiple(self) -> int:
        """What both sides of an image are padded to a multiple of, before the network sees it.

        The least for which an image that is shifted by it is restored as before, but shifted.
        """

    @property
    @abstractmethod
    def whole_image(self) -> bool:
        """Whether a pixel depends on statistics over the whole image, so that no tile is exact.

        A model of one size knows nothing larger.
        """

    @abstractmethod
    def reach(self, shape: ImageShape) -> int:
        """Pixels in each direction beyond which nothing changes a restored pixel: an upper bound.

        Far above the truth, it makes tiles large and slow. It says nothing of statistics over the
        whole image.
        """

    @abstractmethod
    def bottleneck(self, shape: ImageShape) -> int | None:
        """Values that an image is squeezed into; None where something goes round them."""

    @abstractmethod
    def maps(self, channels: int) -> int:
        """Images of one channel, float32, that its activations need as much memory as, about.

        For a model of images of so many channels, when it restores.
        """

    @property
    @abstractmethod
    def least_batch(self) -> int:
        """Images that a training step needs: 2 where batch statistics are of a value an image."""

    @property
    @abstractmethod
    def larger(self) -> Remedy:
        """What gives it more capacity: a field of whole numbers with a largest one."""

    @property
    @abstractmethod
    def wider(self) -> Remedy | None:
        """The same for its bottleneck; None where it has none."""


def _over_space(normalization: Normalization) -> bool:
    """Whether statistics are of all pixels of the one image; `batch` restores with fixed ones."""
    return normalization in ("layer", "group")


class MlpConfig(ModelBase):
    """Fully connected: `depth` layers down to `latent` units, and the mirror image back."""

    kind: Literal["mlp"]
    depth: int = Field(default=2, ge=1, le=16)
    """Hidden layers before the latent one."""
    width: int = Field(default=512, ge=1, le=16384)
    """Units of the first hidden layer."""
    taper: float = Field(default=0.5, gt=0, le=1)
    """Each further hidden layer has this share of the units of the one before."""
    latent: int = Field(default=64, ge=1, le=16384)
    """Units of the bottleneck."""

    @property
    def words(self) -> str:
        return "an mlp"

    def check(self, shape: ImageShape) -> None:
        """It takes every shape."""

    def size(self, shape: ImageShape) -> tuple[int, int] | None:
        return shape[1:]

    @property
    def multiple(self) -> int:
        return 1

    @property
    def whole_image(self) -> bool:
        return False

    def reach(self, shape: ImageShape) -> int:
        return max(shape[1:])

    def bottleneck(self, shape: ImageShape) -> int | None:
        return self.latent

    def maps(self, channels: int) -> int:
        return 4 * channels

    @property
    def least_batch(self) -> int:
        return 2 if self.normalization == "batch" else 1

    @property
    def larger(self) -> Remedy:
        advice = "Give it more units in each layer (width), then more layers (depth)."
        return Remedy("width", advice)

    @property
    def wider(self) -> Remedy | None:
        return Remedy("latent", ROUND_THE_BOTTLENECK)


class ConvConfig(ModelBase):
    """Strided convolutions down to a bottleneck, transposed convolutions back; no skips."""

    kind: Literal["conv"]
    depth: int = Field(default=2, ge=1, le=8)
    """How often the resolution is halved."""
    channels: int = Field(default=32, ge=1, le=2048)
    """Channels of the first level."""
    growth: float = Field(default=2.0, ge=0.25, le=4)
    """Each further level has this many times the channels of the one before."""
    kernel: Literal[3, 5, 7] = 3
    latent: int = Field(default=64, ge=1, le=8192)
    """Channels of the bottleneck, at the lowest resolution."""

    @property
    def words(self) -> str:
        return "a conv"

    def check(self, shape: ImageShape) -> None:
        _check_halving(self, shape)

    def size(self, shape: ImageShape) -> tuple[int, int] | None:
        return None

    @property
    def multiple(self) -> int:
        return 2**self.depth

    @property
    def whole_image(self) -> bool:
        return _over_space(self.normalization)

    def reach(self, shape: ImageShape) -> int:
        """One convolution a level on the way down, one on the way up."""
        return 2 * (self.kernel // 2) * (self.multiple - 1) + 1 + self.multiple

    def bottleneck(self, shape: ImageShape) -> int | None:
        _, height, width = shape
        return self.latent * math.ceil(height / self.multiple) * math.ceil(width / self.multiple)

    def maps(self, channels: int) -> int:
        """Measured with resource.getrusage: it keeps about three of its first level at once."""
        return 8 * max(channels, self.channels)

    @property
    def least_batch(self) -> int:
        return 1

    @property
    def larger(self) -> Remedy:
        return Remedy("channels", MORE_CHANNELS)

    @property
    def wider(self) -> Remedy | None:
        return Remedy("latent", ROUND_THE_BOTTLENECK)


class UnetConfig(ModelBase):
    """An encoder and decoder joined by skip connections (Ronneberger et al., 2015)."""

    kind: Literal["unet"]
    depth: int = Field(default=2, ge=1, le=8)
    """How often the resolution is halved."""
    channels: int = Field(default=16, ge=1, le=2048)
    """Channels of the first level."""
    growth: float = Field(default=2.0, ge=0.25, le=4)
    """Each further level has this many times the channels of the one before."""
    output: Output = "residual"
    """`residual` predicts the noise and subtracts it from the input."""

    @property
    def words(self) -> str:
        return "a unet"

    def check(self, shape: ImageShape) -> None:
        _check_halving(self, shape)

    def size(self, shape: ImageShape) -> tuple[int, int] | None:
        return None

    @property
    def multiple(self) -> int:
        return 2**self.depth

    @property
    def whole_image(self) -> bool:
        return _over_space(self.normalization)

    def reach(self, shape: ImageShape) -> int:
        """Two convolutions a level, each way, and two at the bottom."""
        coarsest = self.multiple
        return 2 * (2 * coarsest - 1) + 2 * (coarsest - 1) + coarsest

    def bottleneck(self, shape: ImageShape) -> int | None:
        """Its skips go round what is narrowest."""
        return None

    def maps(self, channels: int) -> int:
        """Measured with resource.getrusage: it keeps about six of its first level at once."""
        return 8 * max(channels, self.channels)

    @property
    def least_batch(self) -> int:
        return 1

    @property
    def larger(self) -> Remedy:
        return Remedy("channels", MORE_CHANNELS)

    @property
    def wider(self) -> Remedy | None:
        return None


def _check_halving(model: ConvConfig | UnetConfig, shape: ImageShape) -> None:
    _, height, width = shape
    side = min(height, width)
    if side == 1:
        what = "feature vectors" if height == 1 else f"images of {height}×{width}"
        raise ValueError(f"{model.kind} cannot take {what}; use kind: mlp")
    if 2**model.depth > side:
        most = side.bit_length() - 1
        raise ValueError(
            f"{model.kind} with depth {model.depth} halves images of {height}×{width} to "
            f"nothing; depth may be {most} at most"
        )


ModelConfig = Annotated[MlpConfig | ConvConfig | UnetConfig, Field(discriminator="kind")]


# ---- optimization ----------------------------------------------------------------------


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


# ---- the two halves of an experiment ---------------------------------------------------


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
