"""What this package needs to know of a trained denoiser."""

from typing import Protocol

from torch import Tensor

from autoencoder_hpo.config import Task, TrialConfig


class Trained(Protocol):
    """How a denoiser came about."""

    @property
    def task(self) -> Task: ...

    @property
    def config(self) -> TrialConfig: ...

    @property
    def low(self) -> float:
        """The stored value of the training images that became 0."""

    @property
    def high(self) -> float:
        """The stored value of the training images that became 1."""


class Denoiser(Protocol):
    """A model that restores images, and what it can take."""

    @property
    def config(self) -> Trained: ...

    @property
    def channels(self) -> int: ...

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the only images it takes; None: it takes any."""

    @property
    def multiple(self) -> int:
        """What both sides of an image are padded to a multiple of."""

    @property
    def whole_image(self) -> bool:
        """Every output pixel depends on statistics over the whole input."""

    @property
    def reach(self) -> int:
        """Pixels: how far an output pixel sees, at most, but for such statistics."""

    def restore(self, noisy_NCHW: Tensor) -> Tensor:
        """float32 in [0, 1], in and out."""
