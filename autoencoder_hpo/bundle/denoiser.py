"""A finished denoiser, loaded and ready.

Shapes: N images, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from autoencoder_hpo.bundle.config import BundleConfig
from autoencoder_hpo.bundle.images import (
    as_tensor,
    levels_of,
    like,
    refuse_gaps,
    scaled,
    stored,
    with_channels,
)
from autoencoder_hpo.errors import DataError
from autoencoder_hpo.models import Denoiser

AT_ONCE = 2**20
"""Pixels restored in one go when images are called on: some 100 MB with 16 channels."""

Kind = TypeVar("Kind", NDArray[Any], Tensor)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedDenoiser:
    """Call it with images, as an array or a tensor; or give `restore` tensors in [0, 1]."""

    config: BundleConfig
    model: Denoiser
    """In evaluation mode, on the device."""
    device: torch.device

    @property
    def channels(self) -> int:
        return self.config.shape[0]

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of all images it takes; None when it takes any."""
        return self.config.config.model.size(self.config.shape)

    @property
    def multiple(self) -> int:
        """Tiles whose corners are at multiples of this are restored as in the whole image."""
        return self.config.config.model.multiple

    @property
    def whole_image(self) -> bool:
        """Whether a pixel depends on statistics over the whole image, so that no tile is exact."""
        return self.config.config.model.whole_image

    @property
    def reach(self) -> int:
        """Pixels in each direction beyond which nothing changes a restored pixel: an upper bound.

        That of the layers; it says nothing of statistics over the whole image.
        """
        return self.config.config.model.reach(self.config.shape)

    @torch.no_grad()
    def restore(self, noisy_NCHW: Tensor) -> Tensor:
        """float32 in [0, 1] in and out, in one go, on the device of the input.

        Noise that was not clipped may leave [0, 1]; what is restored does not.

        Raises:
            DataError: other channels, another size than `size`, or values that are not finite.
        """
        self._check(noisy_NCHW)
        refuse_gaps(noisy_NCHW)
        if not len(noisy_NCHW):
            return noisy_NCHW.float()
        restored: Tensor = self.model(noisy_NCHW.to(self.device, torch.float32))
        return restored.clamp(0, 1).to(noisy_NCHW.device)

    def __call__(self, images: Kind) -> Kind:
        """Restored images of the same kind, shape and type.

        Args:
            images: a numpy array or a tensor; [H,W] or [N,H,W] grey, [C,H,W] or [N,C,H,W]. Floats
                in [0, 1], uint8 or uint16. A denoiser whose data has `scale: minmax` takes any
                values as they were stored instead.

        Raises:
            DataError: another shape or type, another size than `size`, or values that are not
                finite.
        """
        values = as_tensor(images).cpu()
        levels = levels_of(self.config, values)
        refuse_gaps(values)
        noisy_NCHW = with_channels(values, self.channels)
        self._check(noisy_NCHW)
        restored = self._in_parts(scaled(noisy_NCHW, levels))
        result = stored(restored, levels, values.dtype).reshape(values.shape)
        return like(result.contiguous(), images)

    def _in_parts(self, noisy_NCHW: Tensor) -> Tensor:
        pixels = noisy_NCHW.shape[-2] * noisy_NCHW.shape[-1]
        parts = noisy_NCHW.split(max(1, AT_ONCE // pixels))
        return torch.cat([self.restore(part) for part in parts])

    def _check(self, noisy_NCHW: Tensor) -> None:
        shape = tuple(noisy_NCHW.shape)
        if len(shape) != 4 or shape[1] != self.channels:
            raise DataError(
                f"images have the shape {list(shape)}; restore takes [N,{self.channels},H,W]"
            )
        height, width = shape[2:]
        if not height or not width:
            raise DataError(f"images of {height}×{width} have no pixels")
        if self.size is not None and (height, width) != self.size:
            own = "×".join(map(str, self.size))
            raise DataError(
                f"images of {height}×{width}: this denoiser, {self.config.config.model.words}, "
                f"takes {own} only; cut them into tiles of that size"
            )
