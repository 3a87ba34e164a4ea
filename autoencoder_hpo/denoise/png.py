"""PNG beyond what Pillow does: sixteen bits in colour, and all that is said beside the pixels.

The format: PNG (Portable Network Graphics) Specification, W3C, third edition.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from autoencoder_hpo.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33  # the signature, and the IHDR chunk of 13 bytes
_KEPT = frozenset(b"iCCP sRGB gAMA cHRM cICP mDCV cLLI pHYs tEXt zTXt iTXt eXIf tIME".split())
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels


def is_deep_color(data: bytes) -> bool:
    """Sixteen bits in more than one channel: Pillow reads these as eight."""
    return data.startswith(SIGNATURE) and data[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06")


def is_animated(data: bytes) -> bool:
    return any(kind == b"acTL" for kind, _ in _chunks(data))


def metadata(data: bytes) -> bytes:
    """Profile, resolution, text, EXIF and time: the chunks, as they are."""
    return b"".join(chunk for kind, chunk in _chunks(data) if kind in _KEPT)


def with_metadata(encoded: bytes, chunks: bytes) -> bytes:
    """The file with these chunks after its header, before any pixels."""
    return encoded[:_HEADER_END] + chunks + encoded[_HEADER_END:]


def decode_deep(data: bytes) -> NDArray[np.uint16]:
    """[C,H,W] with one to four channels; an alpha channel is the last of two or four.

    Raises:
        DataError: the file is damaged.
    """
    from torchvision.io import ImageReadMode, decode_png

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        try:
            pixels: NDArray[np.uint16] = decode_png(encoded, mode=ImageReadMode.UNCHANGED).numpy()
        except RuntimeError as error:  # which speaks of torchvision's sources
            raise DataError("damaged, or ends too early") from error
    return pixels


def encode_deep(pixels_CHW: NDArray[np.uint16]) -> bytes:
    """Each row but the first holds its difference to the one above (filter type 2, "Up")."""
    channels, height, width = pixels_CHW.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    body = zlib.compressobj(6)
    above = np.zeros(width * channels * 2, np.uint8)
    parts = []
    for row in pixels_CHW.transpose(1, 2, 0):
        here = np.frombuffer(row.astype(">u2").tobytes(), np.uint8)
        parts.append(body.compress(b"\x02" + (here - above).tobytes()))
        above = here
    pixels = b"".join([*parts, body.flush()])
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's type, and all of its bytes; ends where the file does."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place : place + 12 + length]
        place += 12 + length
