"""Images in .npy files."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.denoise.images import ARRAY_SUFFIX, Images
from autoencoder_hpo.errors import DataError

_LAYOUTS = {
    "HW": (None, None, 0, 1),
    "NHW": (0, None, 1, 2),
    "CHW": (None, 0, 1, 2),
    "HWC": (None, 2, 0, 1),
    "NCHW": (0, 1, 2, 3),
    "NHWC": (0, 3, 1, 2),
}
"""For each the axes of images, channels, rows and columns."""


def read_array(file: Any, *, channels: int) -> Images:
    """Read [H,W], [N,H,W], or with channels first or last [C,H,W], [N,C,H,W] and the like.

    Args:
        file: a path, which is mapped and not read at once, or an open file.
        channels: the denoiser's, by which axes are told apart.

    Raises:
        DataError: no array of numbers, or one that holds no images.
    """
    try:
        array = np.load(file, mmap_mode="r" if isinstance(file, str) else None)
    except (ValueError, EOFError) as error:
        raise DataError(f"no .npy array of numbers ({str(error).splitlines()[0]})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "uif":
        raise DataError("no array of integers or floats; save one image or several with numpy.save")
    axes = _axes(array, channels)

    def write(restored: NDArray[Any], target: BinaryIO) -> None:
        np.save(target, _as_given(restored, axes), allow_pickle=False)

    return Images(_as_images(array, axes), write, (ARRAY_SUFFIX,))


def _axes(array: NDArray[Any], channels: int) -> tuple[int | None, ...]:
    """Which axis is which.

    Of three, the channels are those of a length that the model or RGB has; the first one is
    looked at first. With none of these there is a grey image after the other.
    """
    shape = array.shape
    if array.size == 0:
        raise DataError(f"an empty array, {'×'.join(map(str, shape))}")
    of_color = {channels, 3} - {1}
    match shape:
        case (_, _):
            return _LAYOUTS["HW"]
        case (first, _, _) if first in of_color or first == 1:
            return _LAYOUTS["CHW"]
        case (_, _, last) if last in of_color or last == 1:
            return _LAYOUTS["HWC"]
        case (_, _, _):
            return _LAYOUTS["NHW"]
        case (_, second, _, _) if second in of_color or second == 1:
            return _LAYOUTS["NCHW"]
        case (_, _, _, last) if last in of_color or last == 1:
            return _LAYOUTS["NHWC"]
        case _:
            raise DataError(
                f"an array {'×'.join(map(str, shape))}; it must be "
                "[H,W], [N,H,W], [N,C,H,W] or [N,H,W,C]"
            )


def _as_images(array: NDArray[Any], axes: tuple[int | None, ...]) -> NDArray[Any]:
    """A view [N,C,H,W]."""
    present = array.transpose([axis for axis in axes if axis is not None])
    return present[tuple(np.newaxis if axis is None else slice(None) for axis in axes)]


def _as_given(images_NCHW: NDArray[Any], axes: tuple[int | None, ...]) -> NDArray[Any]:
    present = images_NCHW[tuple(0 if axis is None else slice(None) for axis in axes)]
    return present.transpose(np.argsort([axis for axis in axes if axis is not None]))
