"""TIFF beyond what Pillow does: sixteen bits in colour, floating point, any channels."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffFile, TiffPage, imwrite

from autoencoder_hpo.denoise.images import SUFFIXES_OF, Images
from autoencoder_hpo.errors import DataError

DESCRIPTIVE = (
    *(269, 270, 271, 272, 274, 285, 305, 306, 315, 316),  # names, make, orientation, software …
    *(700, 33432, 33723, 34377),  # XMP, copyright, IPTC, Photoshop
)
"""The tags that say something of the image and not of how it is stored."""
DIRECTORIES = {34665: "EXIF", 34853: "GPS"}
_CODEC = "compressed in a way that needs another library; pip install imagecodecs"


def read_deep(data: bytes) -> Images:
    """Read a TIFF file of one page with tifffile.

    Raises:
        DataError: several pages, colours other than grey and RGB, or a compression for which a
            library is missing.
    """
    with TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        assert isinstance(page, TiffPage)
        check_pages(len(file.pages))
        if page.photometric not in (0, 1, 2):
            raise DataError(
                f"{PHOTOMETRIC(page.photometric).name} colours; convert it to RGB or grey"
            )
        if page.axes not in ("YX", "YXS", "SYX"):
            raise DataError(f"axes {page.axes}; save it as a plain image, or as .npy")
        values = _pixels(page)
        channels = values.shape[0] - len(page.extrasamples)
        stored, extra = values[:channels], values[channels:]
        settings = _settings(file, page)
        lost = [name for code, name in DIRECTORIES.items() if code in page.tags]

    def write(restored: NDArray[Any], target: Any) -> None:
        imwrite(target, _arranged(np.concatenate([restored[0], extra]), page.axes), **settings)

    remarks = [f"{' and '.join(lost)} tags are not kept in such a TIFF file"] if lost else []
    return Images(stored[None], write, SUFFIXES_OF["TIFF"], tuple(remarks))


def check_pages(number: int) -> None:
    if number > 1:
        raise DataError(
            f"{number} frames or pages; save each as a file, or all as an array [N,H,W] in .npy"
        )


def _pixels(page: TiffPage) -> NDArray[Any]:
    """[S,H,W], in the machine's byte order."""
    try:
        values = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise DataError(_CODEC) from error
        raise
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    match page.axes:
        case "YX":
            return native[None]
        case "YXS":
            return native.transpose(2, 0, 1)
        case _:
            return native


def _arranged(values_SHW: NDArray[Any], axes: str) -> NDArray[Any]:
    match axes:
        case "YX":
            return values_SHW[0]
        case "YXS":
            return np.ascontiguousarray(values_SHW.transpose(1, 2, 0))
        case _:
            return values_SHW


def _settings(file: TiffFile, page: TiffPage) -> dict[str, Any]:
    """How the same page is written; a lossy compression becomes a lossless one."""
    compressed = page.compression != 1
    return {
        "photometric": page.photometric,
        "planarconfig": page.planarconfig if page.samplesperpixel > 1 else None,
        "extrasamples": page.extrasamples or None,
        "compression": "zlib" if compressed else None,
        "predictor": compressed and page.dtype is not None and page.dtype.kind == "u",
        "byteorder": file.byteorder,
        "bigtiff": file.is_bigtiff,
        "resolution": page.resolution if 282 in page.tags else None,
        "resolutionunit": page.resolutionunit if 296 in page.tags else None,
        "iccprofile": page.iccprofile,
        "metadata": None,
        "software": False,
        "extratags": list(_described(page)),
    }


def _described(page: TiffPage) -> Iterator[tuple[int, int, int, Any, bool]]:
    for code in DESCRIPTIVE:
        if (tag := page.tags.get(code)) is not None:
            value = tag.value.encode() + b"\0" if isinstance(tag.value, str) else tag.value
            count = len(value) if isinstance(value, bytes) else tag.count
            yield code, int(tag.dtype), count, value, True
