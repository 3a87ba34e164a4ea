"""Classical denoisers, as values: what a filter is, is its fields.

All take and give float32 [N,C,H,W] on the CPU; none learns anything.
"""

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Image = NDArray[np.float32]
OneImage = Callable[..., Image]
"""A function of scikit-image or bm3d, which have no types."""

SPINS = 4
"""Places that the wavelet filter shifts images to, down and across."""
REACH = 9
"""Pixels that non-local means looks for similar patches in, each way."""
BM3D_SMALLEST = 16
"""Side of the smallest image: bm3d 4.0.3 crashes the process on 8×8, and refuses smaller ones."""


@dataclass(frozen=True, slots=True)
class AsItIs:
    """Nothing is done."""

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        return noisy_NCHW


@dataclass(frozen=True, slots=True)
class Gaussian:
    sigma: float
    """Standard deviation of the blur, in pixels."""

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        from scipy.ndimage import gaussian_filter

        spread = (0, 0, self.sigma, self.sigma)
        return torch.from_numpy(gaussian_filter(noisy_NCHW.numpy(), spread, mode="reflect"))


@dataclass(frozen=True, slots=True)
class Median:
    size: int
    """Side of the window, in pixels."""

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        from scipy.ndimage import median_filter

        window = (1, 1, self.size, self.size)
        return torch.from_numpy(median_filter(noisy_NCHW.numpy(), window, mode="reflect"))


@dataclass(frozen=True, slots=True)
class TotalVariation:
    """Chambolle (2004): close to the image, with little variation between neighbours."""

    weight: float

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        from skimage.restoration import denoise_tv_chambolle

        return _each(denoise_tv_chambolle, noisy_NCHW, weight=self.weight, channel_axis=-1)


@dataclass(frozen=True, slots=True)
class Wavelet:
    """Haar coefficients shrunk (Chang et al., 2000), the mean over shifts of the image.

    Without shifts (Coifman & Donoho, 1995) one sees blocks.
    """

    sigma: float
    """Standard deviation of the noise that is to go."""

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        total = torch.zeros_like(noisy_NCHW)
        for shift in itertools.product(range(SPINS), repeat=2):
            shifted = self._shrunk(noisy_NCHW.roll(shift, (2, 3)))
            total += shifted.roll((-shift[0], -shift[1]), (2, 3))
        return total / SPINS**2

    def _shrunk(self, noisy_NCHW: Tensor) -> Tensor:
        from skimage.restoration import denoise_wavelet

        with warnings.catch_warnings():  # pywt's, on images of a few pixels
            warnings.filterwarnings("ignore", message="Level value", category=UserWarning)
            return _each(
                denoise_wavelet,
                noisy_NCHW,
                sigma=self.sigma,
                wavelet="db1",
                rescale_sigma=False,
                channel_axis=-1,
            )


@dataclass(frozen=True, slots=True)
class NonLocalMeans:
    """The mean of pixels whose surroundings are alike (Buades et al., 2005)."""

    h: float
    """How unlike they may be."""
    sigma: float
    """Standard deviation of the noise, by which alike patches differ anyway."""
    patch: int
    """Side of what is compared, in pixels."""

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        from skimage.restoration import denoise_nl_means

        return _each(
            denoise_nl_means,
            noisy_NCHW,
            h=self.h,
            sigma=self.sigma,
            patch_size=self.patch,
            patch_distance=REACH,
            channel_axis=-1,
        )


@dataclass(frozen=True, slots=True)
class Bm3d:
    """Similar patches stacked and filtered together (Dabov et al., 2007)."""

    sigma: float
    """Standard deviation of the noise that is to go."""

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        from bm3d import BM3DProfile, bm3d, bm3d_rgb

        alone = BM3DProfile()
        alone.num_threads = 1  # several add up in another order each time
        options = {"sigma_psd": self.sigma, "profile": alone}
        if noisy_NCHW.shape[1] == 3:
            return _each(bm3d_rgb, noisy_NCHW, **options)
        planes = noisy_NCHW.flatten(0, 1)[:, None]
        return _each(bm3d, planes, **options).view_as(noisy_NCHW)


def _each(one: OneImage, noisy_NCHW: Tensor, **options: object) -> Tensor:
    """A function of images [H,W,C] applied to each."""
    images = np.ascontiguousarray(noisy_NCHW.movedim(1, -1).numpy())
    restored = [np.asarray(one(image, **options), np.float32) for image in images]
    shaped = np.stack(restored).reshape(images.shape)
    return torch.from_numpy(shaped).movedim(-1, 1).contiguous()
