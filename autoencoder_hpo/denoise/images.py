"""What one file holds: images as they are stored, and how to write them back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """The images of one file."""

    stored: NDArray[Any]
    """[N,C,H,W] in the type of the file; without alpha, which `write` knows."""
    write: Callable[[NDArray[Any], BinaryIO], None]
    """Write images of the same shape and type as a file of the same kind."""
    suffixes: tuple[str, ...]
    """Which names a file of this kind has."""
    remarks: tuple[str, ...] = ()
    """What the file holds that is not written back as it was."""


ARRAY_SUFFIX = ".npy"
SUFFIXES_OF = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "WEBP": (".webp",),
    "PPM": (".pgm", ".ppm"),
}
