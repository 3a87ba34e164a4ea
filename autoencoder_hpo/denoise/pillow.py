"""Image files that Pillow reads and writes as they are."""

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.denoise import png
from autoencoder_hpo.denoise.images import SUFFIXES_OF, Images
from autoencoder_hpo.denoise.tiff import DESCRIPTIVE, DIRECTORIES, check_pages
from autoencoder_hpo.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

READABLE = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "GIF")
_LOSSLESS = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "lzma", "zstd")
_CONVERTED = ("CMYK", "YCbCr", "LAB", "HSV", "RGBX")
_ORIENTATION = 274
_INTEROPERABILITY = 40965  # an offset, which means nothing in another file
_BITS, _SAMPLE_FORMAT, _PHOTOMETRIC = 258, 339, 262


class UnknownError(DataError):
    """Another library may know better."""


def open_picture(data: bytes) -> "Image":
    """The file, opened; its pixels are not decoded yet.

    Raises:
        UnknownError: Pillow does not know such a file, or refuses so large a one.
        DataError: an image that is not written back: animated, or a GIF.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=READABLE)
    except UnidentifiedImageError:
        kinds = ", ".join(SUFFIXES_OF)
        raise UnknownError(f"no image that can be read; use {kinds} or .npy") from None
    except Image.DecompressionBombError:
        raise UnknownError("too many pixels for Pillow; save it as TIFF or .npy") from None
    if image.format != "MPO":
        check_pages(getattr(image, "n_frames", 1))
    if image.format == "GIF":
        raise DataError("GIF holds too few colours for a restored image; convert it to PNG")
    return image


def needs_tifffile(image: "Image") -> bool:
    """More than eight bits, except for those in grey that Pillow keeps."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    if image.format != "TIFF" or max(tags.get(_BITS, (1,))) <= 8:
        return False
    plain_grey = image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == 1
    return not (plain_grey and tags.get(_SAMPLE_FORMAT, (1,)) == (1,))


def read_picture(image: "Image", data: bytes) -> Images:
    """Decode the pixels, and remember everything else.

    Raises:
        DataError: a kind of pixels that cannot be restored; Pillow raises others.
    """
    if image.format == "PPM":
        _check_depth(image)
    settings = _settings(image)  # first: with its pixels, a TIFF's EXIF becomes unreadable
    image.load()
    plain, remarks = _plain(image)
    stored, alpha = _take_apart(plain)
    chunks = png.metadata(data) if image.format == "PNG" else b""

    def write(restored: NDArray[Any], target: BinaryIO) -> None:
        encoded = io.BytesIO()
        _put_together(restored[0], alpha).save(encoded, **settings)
        target.write(
            png.with_metadata(encoded.getvalue(), chunks) if chunks else encoded.getbuffer()
        )

    if image.format == "MPO":
        remarks.append("the first of several pictures in the file is restored, others are dropped")
    return Images(stored[None], write, SUFFIXES_OF[settings["format"]], tuple(remarks))


def _check_depth(image: Any) -> None:
    """Pillow reads sixteen bits of colour as eight, and says so in the decoder's arguments only."""
    arguments = image.tile[0].args
    deep = isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255
    if image.mode == "RGB" and deep:
        raise DataError("PPM with more than 8 bits; save it as PNG or TIFF")


def _plain(image: "Image") -> tuple["Image", list[str]]:
    """One of the modes that are restored, and what that changes."""
    transparent = "transparency" in image.info
    match image.mode:
        case "L" | "RGB" if transparent:
            return image.convert("LA" if image.mode == "L" else "RGBA"), []
        case "L" | "LA" | "RGB" | "RGBA":
            return image, []
        case "1":
            return image.convert("L"), ["1 bit a pixel: written as 8-bit grey"]
        case "P" | "PA":
            return image.convert("RGBA" if transparent or image.mode == "PA" else "RGB"), [
                "a palette: written with 8 bits a channel"
            ]
        case mode if mode in _CONVERTED:
            return image.convert("RGB"), [
                f"{mode} colours: converted to RGB, without the colour profile"
            ]
        case "I" | "I;16" | "I;16B" | "I;16L":
            return _sixteen_bits(image), ["its transparent value is dropped"] if transparent else []
        case "La" | "RGBa":
            return image.convert(image.mode.upper()), []
        case mode:
            raise DataError(f"{mode} pixels; save them as 8 or 16 bits, or as .npy")


def _sixteen_bits(image: "Image") -> "Image":
    from PIL import Image

    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise DataError("32-bit pixels; save them as 16 bits, or as .npy")
    return Image.fromarray(values.astype(np.uint16))


def _take_apart(plain: "Image") -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """[C,H,W] and alpha [H,W], where there is one."""
    values = np.asarray(plain)
    if plain.mode in ("LA", "RGBA"):
        return values[..., :-1].transpose(2, 0, 1), values[..., -1]
    return (values[None] if values.ndim == 2 else values.transpose(2, 0, 1)), None


def _put_together(pixels_CHW: NDArray[Any], alpha: NDArray[np.uint8] | None) -> "Image":
    from PIL import Image

    channels = list(pixels_CHW) + ([] if alpha is None else [alpha])
    return Image.fromarray(channels[0] if len(channels) == 1 else np.stack(channels, -1))


# ---- what is said beside the pixels ----------------------------------------------------


def _settings(image: "Image") -> dict[str, Any]:
    """How Pillow is to write an image of this kind; PNG's metadata is copied as it is."""
    info = image.info
    profile = None if image.mode in _CONVERTED else info.get("icc_profile")
    said = {"icc_profile": profile, "exif": info.get("exif"), "xmp": info.get("xmp")}
    match image.format:
        case "PNG":
            return {"format": "PNG"}
        case "JPEG" | "MPO":
            return _given(said, format="JPEG", dpi=info.get("dpi"), **_as_fine(image))
        case "TIFF":
            return _given({}, format="TIFF", icc_profile=profile, **_tiff(image))
        case "WEBP":
            return _given(said, format="WEBP", lossless=True, exact=True)
        case "BMP":
            return _given({}, format="BMP", dpi=info.get("dpi"))
        case "PPM":
            return {"format": "PPM"}
        case other:
            raise DataError(f"{other} files are not written; convert it to PNG")


def _given(said: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**said, **more}.items() if value is not None}


def _as_fine(image: Any) -> dict[str, Any]:
    """The original's own steps of quantization, where its channels are those of the result."""
    from PIL.JpegImagePlugin import get_sampling

    comment = image.info.get("comment")
    progressive = bool(image.info.get("progressive"))
    if image.mode not in ("L", "RGB"):
        return {"quality": 95, "comment": comment, "progressive": progressive}
    sampling = get_sampling(image)
    return {
        "qtables": image.quantization,
        "subsampling": sampling if sampling >= 0 else 0,
        "comment": comment,
        "progressive": progressive,
    }


def _tiff(image: Any) -> dict[str, Any]:
    """Uncompressed where there are directories of tags: libtiff writes none."""
    said = _described(image)
    compression = image.info.get("compression")
    kept = compression if compression in _LOSSLESS else "tiff_adobe_deflate"
    return {
        "tiffinfo": said,
        "compression": "raw" if DIRECTORIES.keys() & set(said) else kept,
        "x_resolution": image.tag_v2.get(282),
        "y_resolution": image.tag_v2.get(283),
        "resolution_unit": image.tag_v2.get(296),
    }


def _described(image: Any) -> "ImageFileDirectory_v2":
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    original, said = image.getexif(), ImageFileDirectory_v2()
    for code in DESCRIPTIVE:
        if code in image.tag_v2 and code != _ORIENTATION:  # which Pillow applies to the pixels
            said[code] = image.tag_v2[code]
            said.tagtype[code] = image.tag_v2.tagtype[code]
    for code in DIRECTORIES:
        if code in original:
            within = original.get_ifd(code)
            said[code] = {tag: within[tag] for tag in within if tag != _INTEROPERABILITY}
    return said


def quietly() -> "warnings.catch_warnings[None]":
    """Pillow warns of odd metadata and of large images; we only want what can be had."""
    return warnings.catch_warnings(action="ignore")
