"""One image file, decoded."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.data.pixels import one_line
from autoencoder_hpo.errors import DataError

Color = Literal["auto", "grey", "rgb"]

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pgm", ".ppm")
)

_GREY = ("1", "L", "LA", "La")


def decode(path: Path, *, color: Color) -> NDArray[Any]:
    """Read an image as uint8 or uint16 [C,H,W], with one channel (grey) or three (RGB).

    Of several frames or pages, the first. Transparency is dropped, a palette and CMYK become
    RGB, the camera's rotation is applied. Sixteen bits survive in grey images only, because
    Pillow reads no others.

    Raises:
        DataError: the file cannot be read; the message is the reason alone.
    """
    try:
        return _decode(path, color)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        raise DataError(one_line(error)) from error


def _decode(path: Path, color: Color) -> NDArray[Any]:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; we only want pixels
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            image.load()
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _with_channels(_sixteen_bits(np.asarray(image)), color)
    if image.mode == "F":
        raise DataError("floating-point pixels; save them as .npy and use dataset: array")
    grey = color == "grey" or (color == "auto" and image.mode in _GREY)
    return _with_channels(np.asarray(image.convert("L" if grey else "RGB")), color)


def _sixteen_bits(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Pillow decodes some 16-bit files, PGM among them, to 32 bits a pixel."""
    if values.min() < 0 or values.max() > 65535:
        raise DataError("32-bit pixels; save them as .npy and use dataset: array")
    return values.astype(np.uint16)


def _with_channels(values: NDArray[Any], color: Color) -> NDArray[Any]:
    """[H,W] or [H,W,3] -> [C,H,W]."""
    if values.ndim == 3:
        return values.transpose(2, 0, 1)
    return np.repeat(values[None], 3 if color == "rgb" else 1, axis=0)
