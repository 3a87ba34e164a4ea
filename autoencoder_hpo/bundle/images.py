"""Images as users have them, to float32 [N,C,H,W] in [0, 1] and back."""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoencoder_hpo.bundle.config import BundleConfig
from autoencoder_hpo.errors import DataError

Levels = tuple[float, float]
"""The stored values that are 0 and 1."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_FULL_SCALE = {torch.uint8: 255.0, torch.uint16: 65535.0}
_INTEGERS = (*_FULL_SCALE, torch.int8, torch.int16, torch.int32, torch.int64)


def as_tensor(images: NDArray[Any] | Tensor) -> Tensor:
    """The same values as a tensor; raises DataError for a type that no image has."""
    if isinstance(images, Tensor):
        return images.detach()
    if not isinstance(images, np.ndarray):
        raise DataError(f"images are a {type(images).__name__}; give a numpy array or a tensor")
    native = np.ascontiguousarray(images, dtype=images.dtype.newbyteorder("="))
    if not native.flags.writeable:  # torch would warn
        native = native.copy()
    try:
        return torch.from_numpy(native).view(images.shape)
    except TypeError:
        raise DataError(f"images are {images.dtype}; {_REMEDY}") from None


def like(restored: Tensor, images: Any) -> Any:
    """The tensor as what the images were: an array or a tensor, of their type."""
    if isinstance(images, Tensor):
        return restored.to(images.device)
    return restored.cpu().numpy().astype(images.dtype, copy=False)


def levels_of(config: BundleConfig, images: Tensor) -> Levels:
    """The values of these images that are 0 and 1: by their type, or as the training's were.

    Raises:
        DataError: images of this type cannot be, or cannot hold what the denoiser learned.
    """
    dtype = images.dtype
    floats = dtype in _FLOATS
    if config.task.data.scale == "dtype":
        if not floats and dtype not in _FULL_SCALE:
            raise DataError(f"images are {_name(dtype)}; {_REMEDY}")
        return 0.0, 1.0 if floats else _FULL_SCALE[dtype]
    if not floats and dtype not in _INTEGERS:
        raise DataError(f"images are {_name(dtype)}; give floats or integers, values as stored")
    if not _holds(dtype, config.low, config.high):
        raise DataError(
            f"images are {_name(dtype)}, which cannot hold the values from {config.low:g} to "
            f"{config.high:g} that this denoiser was trained on; give them as they were stored"
        )
    return config.low, config.high


def scaled(images: Tensor, levels: Levels) -> Tensor:
    """float32, 0 and 1 where the levels are; values beyond them go beyond 0 and 1.

    Warns of values that are probably not on this scale.
    """
    low, high = levels
    exact = images.double() if images.dtype in _WIDE else images.float()
    result = exact.sub(low).div(high - low).float()
    _doubt(images, result, levels)
    return result


def stored(restored: Tensor, levels: Levels, dtype: torch.dtype) -> Tensor:
    """The way back; integers are rounded."""
    low, high = levels
    values = restored.double() * (high - low) + low
    if dtype in _FLOATS:
        return values.to(dtype)
    return values.round().long().to(dtype)


def with_channels(images: Tensor, channels: int) -> Tensor:
    """[H,W], [N,H,W], [C,H,W] or [N,C,H,W] -> [N,C,H,W]; raises DataError for another shape."""
    shape, grey = tuple(images.shape), channels == 1
    if len(shape) == 4 and shape[1] == channels:
        return images
    if len(shape) == 3 and shape[0] == channels and not grey:
        return images[None]
    if len(shape) == 3 and grey:
        return images[:, None]
    if len(shape) == 2 and grey:
        return images[None, None]
    wanted = "[H,W], [N,H,W] or [N,1,H,W]" if grey else f"[{channels},H,W] or [N,{channels},H,W]"
    hint = "; move the channels forward" if shape[-1:] == (channels,) and len(shape) > 2 else ""
    raise DataError(f"images have the shape {list(shape)}; this denoiser takes {wanted}{hint}")


def refuse_gaps(images: Tensor) -> None:
    """Raises DataError: a value is NaN or infinite; names the first one."""
    if not images.is_floating_point():
        return
    gaps = ~images.isfinite()
    if gaps.any():
        place = gaps.nonzero()[0].tolist()
        raise DataError(
            f"images{place} is {images[tuple(place)].item()}; replace what is not finite first"
        )


_WIDE = (torch.float64, torch.int32, torch.int64)  # what float32 cannot hold exactly
_REMEDY = "give floats in [0, 1], uint8 or uint16"


def _holds(dtype: torch.dtype, low: float, high: float) -> bool:
    kind = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    return kind.min <= low and high <= kind.max


def _doubt(images: Tensor, result: Tensor, levels: Levels) -> None:
    low, high = levels
    if not images.numel():
        return
    beyond = float((result - result.clamp(0, 1)).abs().mean())
    if beyond > 1:  # no noise is as strong as the images' whole range
        _warn(f"most values are far from {low:g} to {high:g}, which this denoiser takes for [0, 1]")
    elif images.is_floating_point() and high - low > 2 and _in_unit(images):
        _warn(
            f"values in [0, 1] are nearly alike to this denoiser, which was trained on values from "
            f"{low:g} to {high:g} as they were stored; give those, or use restore()"
        )


def _in_unit(images: Tensor) -> bool:
    return bool(images.min() >= 0) and bool(images.max() <= 1)


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=5)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
