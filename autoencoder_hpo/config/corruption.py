"""The noise that is to be removed."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field

from autoencoder_hpo.config.base import Strict

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
