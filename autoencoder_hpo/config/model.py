"""The kinds of model, and what follows from each before it is built."""

import math
from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from autoencoder_hpo.config.base import Strict

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


def _check_two_sides(kind: str, shape: ImageShape) -> None:
    _, height, width = shape
    if min(height, width) == 1:
        what = "feature vectors" if height == 1 else f"images of {height}×{width}"
        raise ValueError(f"{kind} cannot take {what}; use kind: mlp")


def _check_halving(model: ConvConfig | UnetConfig, shape: ImageShape) -> None:
    _check_two_sides(model.kind, shape)
    _, height, width = shape
    side = min(height, width)
    if 2**model.depth > side:
        most = side.bit_length() - 1
        raise ValueError(
            f"{model.kind} with depth {model.depth} halves images of {height}×{width} to "
            f"nothing; depth may be {most} at most"
        )


ModelConfig = Annotated[MlpConfig | ConvConfig | UnetConfig, Field(discriminator="kind")]
