"""Whether an image is about as noisy as those that the denoiser was trained on."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autoencoder_hpo.config import Corruption
from autoencoder_hpo.data.corruption import corrupt
from autoencoder_hpo.seeds import seed_for

LOOKED_AT = 512  # pixels of the side of the middle that is looked at
LEAST = 16  # pixels of a side, below which nothing can be said
TOO_NOISY, TOO_CLEAN = 1.5, 0.5  # times the noise expected; right ones were 0.7 to 1.4
_BLUR = 2.0  # pixels: leaves a fourteenth of the noise


def noise_remark(unit_CHW: NDArray[np.float32], corruption: Corruption | None) -> str | None:
    """A remark on an image in [0, 1] whose noise is far from what it was trained for.

    The noise expected is estimated in the same way, on the blurred image with the task's
    corruption added: what dark areas, clipping and texture do to the estimate, they do to both.
    None where nothing can be said: noise that is not additive escapes the estimate in dark images.
    """
    if corruption is None or corruption.additive_sigma is None:
        return None
    if min(unit_CHW.shape[1:]) < LEAST:
        return None
    found, expected = _estimate(unit_CHW), _estimate(_as_trained(unit_CHW, corruption))
    if TOO_CLEAN * expected <= found <= TOO_NOISY * expected:
        return None
    how = "noisier" if found > expected else "less noisy"
    return (
        f"much {how} than what was trained for: noise of {found:.3f} by estimate, where "
        f"sigma {corruption.additive_sigma:g} would give {expected:.3f}"
    )


def middle(image_CHW: NDArray[Any]) -> NDArray[Any]:
    """What of an image is looked at: all of a small one."""
    height, width = image_CHW.shape[1:]
    top, left = (max(0, (side - LOOKED_AT) // 2) for side in (height, width))
    return image_CHW[:, top : top + LOOKED_AT, left : left + LOOKED_AT]


def _as_trained(noisy_CHW: NDArray[np.float32], corruption: Corruption) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(noisy_CHW, (0, _BLUR, _BLUR)).clip(0, 1)
    generator = torch.Generator().manual_seed(seed_for("expected-noise"))
    corrupted: NDArray[np.float32] = corrupt(
        torch.from_numpy(smooth), corruption, generator
    ).numpy()
    return corrupted


def _estimate(unit_CHW: NDArray[np.float32]) -> float:
    """Standard deviation of the noise, by wavelets (Donoho & Johnstone, 1994)."""
    from skimage.restoration import estimate_sigma

    estimate: Any = estimate_sigma
    with warnings.catch_warnings(action="ignore"):  # the median of no values, in a flat image
        sigma = float(estimate(unit_CHW, channel_axis=0, average_sigmas=True))
    return sigma if np.isfinite(sigma) else 0.0
