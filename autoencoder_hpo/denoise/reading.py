"""Any file that can be denoised, read by what it holds and not by its name."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.data.pixels import one_line
from autoencoder_hpo.denoise import png
from autoencoder_hpo.denoise.arrays import read_array
from autoencoder_hpo.denoise.images import SUFFIXES_OF, Images
from autoencoder_hpo.denoise.pillow import (
    UnknownError,
    needs_tifffile,
    open_picture,
    quietly,
    read_picture,
)
from autoencoder_hpo.denoise.tiff import check_pages, read_deep
from autoencoder_hpo.errors import DataError

_ARRAY = b"\x93NUMPY"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_images(source: Path | bytes, *, channels: int) -> Images:
    """Read a file, or what stood in one.

    Args:
        channels: the denoiser's, by which the axes of arrays are told apart.

    Raises:
        DataError: it cannot be read; the message is the reason alone.
    """
    try:
        with quietly():
            return _read(source, channels)
    except (DataError, MemoryError):
        raise
    except OSError as error:
        raise DataError(error.strerror or one_line(error)) from error
    except Exception as error:  # decoders raise nearly anything on a damaged file
        raise DataError(one_line(error)) from error


def _read(source: Path | bytes, channels: int) -> Images:
    if isinstance(source, Path):
        with source.open("rb") as file:
            if file.read(len(_ARRAY)) == _ARRAY:
                return read_array(str(source), channels=channels)
        source = source.read_bytes()
    if not source:
        raise DataError("an empty file, of no bytes")
    if source.startswith(_ARRAY):
        return read_array(io.BytesIO(source), channels=channels)
    try:
        image = open_picture(source)
    except UnknownError:
        if source[:4] in _TIFF:
            return read_deep(source)
        raise
    if png.is_deep_color(source):
        return _deep_png(source)
    return read_deep(source) if needs_tifffile(image) else read_picture(image, source)


def _deep_png(data: bytes) -> Images:
    check_pages(2 if png.is_animated(data) else 1)
    values, chunks = png.decode_deep(data), png.metadata(data)
    channels = len(values) - (len(values) in (2, 4))
    alpha = values[channels:]

    def write(restored: NDArray[Any], target: BinaryIO) -> None:
        encoded = png.encode_deep(np.concatenate([restored[0], alpha]))
        target.write(png.with_metadata(encoded, chunks))

    return Images(values[None, :channels], write, SUFFIXES_OF["PNG"])
