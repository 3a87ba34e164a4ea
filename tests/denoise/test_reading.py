"""Files go through reading and writing as they are, if nothing is restored."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from autoencoder_hpo.denoise import png
from autoencoder_hpo.denoise.reading import read_images
from autoencoder_hpo.errors import DataError

ICC = b"\0" * 128
RANDOM = np.random.default_rng(0)


def random(*shape: int, dtype: type = np.uint8) -> NDArray[Any]:
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def tiff(values: NDArray[Any], **settings: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **settings)
    return file.getvalue()


def back(data: bytes, *, change: Callable[[Any], Any] = lambda stored: stored) -> bytes:
    """Read and written again."""
    images = read_images(data, channels=1)
    file = io.BytesIO()
    images.write(change(images.stored), file)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "PPM"])
def test_eight_bits_come_back_as_they_were(kind: str, mode: str) -> None:
    if "A" in mode and kind in ("BMP", "PPM"):
        return
    values = random(13, 9, MODES[mode])
    before = Image.fromarray(values[..., 0] if mode == "L" else values)
    after = opened(
        back(saved(before, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    )
    assert after.format == kind
    if kind != "WEBP":  # which has no grey
        assert after.mode == mode
    assert (np.asarray(after.convert(mode)) == np.asarray(before)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_of_grey_come_back(kind: str) -> None:
    values = random(13, 9, dtype=np.uint16)
    data = saved(Image.fromarray(values), kind)
    assert read_images(data, channels=1).stored.dtype == np.uint16
    assert (np.asarray(opened(back(data))) == values).all()


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bits_of_color_come_back_in_png(channels: int) -> None:
    values = random(channels, 13, 9, dtype=np.uint16)
    data = png.encode_deep(values)
    images = read_images(data, channels=3)
    assert images.stored.shape[1] == (1 if channels == 2 else 3)
    assert (png.decode_deep(back(data)) == values).all()


def test_our_sixteen_bit_png_is_what_pillow_reads() -> None:
    values = random(3, 7, 11, dtype=np.uint16)
    eight = np.asarray(opened(png.encode_deep(values)))
    assert np.abs(eight.astype(int) - (values.transpose(1, 2, 0) >> 8)).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((13, 9), {}),
        ((13, 9, 3), {"photometric": "rgb"}),
        ((13, 9, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        ((3, 13, 9), {"photometric": "rgb", "planarconfig": "separate"}),
        ((13, 9, 5), {"photometric": "minisblack", "planarconfig": "contig"}),
        ((13, 9, 3), {"photometric": "rgb", "compression": "zlib", "byteorder": ">"}),
        ((13, 9), {"photometric": "miniswhite"}),
    ],
)
def test_deep_tiff_comes_back(
    dtype: type, shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    values = (
        RANDOM.random(shape).astype(dtype) if dtype == np.float32 else random(*shape, dtype=dtype)
    )
    data = tiff(values, **settings)
    with tifffile.TiffFile(io.BytesIO(data)) as a, tifffile.TiffFile(io.BytesIO(back(data))) as b:
        before, after = a.pages[0], b.pages[0]
        assert (after.asarray() == values).all()
        for what in ("dtype", "photometric", "planarconfig", "extrasamples", "compression"):
            assert getattr(after, what) == getattr(before, what), what
        assert a.byteorder == b.byteorder


def test_alpha_stays_whatever_becomes_of_the_colors() -> None:
    values = random(13, 9, 4)
    deep = random(4, 13, 9, dtype=np.uint16)
    for kind in ("PNG", "TIFF", "WEBP"):
        data = saved(
            Image.fromarray(values), kind, **({"lossless": True} if kind == "WEBP" else {})
        )
        after = np.asarray(opened(back(data, change=lambda stored: 255 - stored)))
        assert (after[..., 3] == values[..., 3]).all()
        assert (after[..., 0] != values[..., 0]).any()
    after = png.decode_deep(back(png.encode_deep(deep), change=lambda stored: 65535 - stored))
    assert (after[3] == deep[3]).all()
    assert (after[:3] == 65535 - deep[:3]).all()


def test_png_keeps_text_profile_exif_and_resolution() -> None:
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "Ä cat")
    text.add_itxt("Author", "Zoë", lang="fr", tkey="Auteur")
    picture = Image.fromarray(random(13, 9, 3))
    data = saved(picture, "PNG", pnginfo=text, dpi=(300, 300), icc_profile=ICC, exif=exif)
    deep = png.with_metadata(png.encode_deep(random(3, 9, 9, dtype=np.uint16)), png.metadata(data))
    for after in (opened(back(data)), opened(back(deep))):
        after.load()
        assert after.text == {"Title": "Ä cat", "Author": "Zoë"}
        assert after.info["icc_profile"] == ICC
        assert dict(after.getexif()) == {271: "Maker", 274: 6}
        assert after.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def camera_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[271], exif[274], exif[306] = "Maker", 6, "2024:01:02 03:04:05"
    exif.get_ifd(34665)[33434] = (1, 250)
    return exif


def test_jpeg_keeps_exif_profile_comment_and_its_quality() -> None:
    picture = Image.fromarray(random(64, 48, 3))
    data = saved(
        picture, "JPEG", quality=71, subsampling=1, dpi=(96, 96), icc_profile=ICC,
        exif=camera_exif(), comment=b"made by me", progressive=True,
    )  # fmt: skip
    before, after = opened(data), opened(back(data))
    assert after.quantization == before.quantization
    assert after.layer == before.layer
    assert after.info["icc_profile"] == ICC
    assert after.info["comment"] == b"made by me"
    assert after.info["dpi"] == (96, 96)
    assert after.info["progressive"]
    assert after.getexif()[274] == 6
    assert after.getexif().get_ifd(34665)[33434] == before.getexif().get_ifd(34665)[33434]


def test_webp_keeps_exif_and_profile() -> None:
    picture = Image.fromarray(random(13, 9, 3))
    data = saved(picture, "WEBP", lossless=True, icc_profile=ICC, exif=camera_exif())
    before, after = opened(data), opened(back(data))
    assert after.info["icc_profile"] == ICC
    assert after.info["exif"] == before.info["exif"]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("with_exif", [True, False])
def test_tiff_keeps_tags_exif_profile_resolution_and_how_it_is_seen(
    compression: str, with_exif: bool
) -> None:
    tags = ImageFileDirectory_v2()
    tags[271], tags[274], tags[315] = "Maker", 6, "Zoe"
    if with_exif:  # which Pillow itself writes without compression only
        compression = "raw"
        tags[34665] = {33434: (1, 250), 36867: "2024:01:02 03:04:05"}
        tags[34853] = {1: "N"}
    picture = Image.fromarray(random(13, 9, 3))
    data = saved(
        picture, "TIFF", icc_profile=ICC, tiffinfo=tags, compression=compression, dpi=(72, 72)
    )
    before, after = opened(data), opened(back(data))
    assert (after.info["icc_profile"], after.info["dpi"]) == (ICC, (72, 72))
    assert after.info["compression"] == compression
    exifs = before.getexif(), after.getexif()
    for code in (34665, 34853):
        assert bool(exifs[1].get_ifd(code)) == with_exif
        assert exifs[1].get_ifd(code) == exifs[0].get_ifd(code)
    assert (exifs[1][271], exifs[1][315]) == ("Maker", "Zoe")
    shown = [np.asarray(ImageOps.exif_transpose(image)) for image in (before, after)]
    assert (shown[0] == shown[1]).all()


def test_deep_tiff_keeps_what_is_said_of_it() -> None:
    tags = [(315, 2, 0, "Zoe", True), (274, 3, 1, 6, True)]
    data = tiff(
        random(13, 9, 3, dtype=np.uint16), photometric="rgb", resolution=(300, 300),
        resolutionunit="INCH", iccprofile=ICC, description="a cat", software="mine", extratags=tags,
        metadata=None,
    )  # fmt: skip
    with tifffile.TiffFile(io.BytesIO(back(data))) as file:
        page = file.pages[0]
        found = {code: page.tags[code].value for code in (270, 274, 305, 315, 296)}
        assert found == {270: "a cat", 274: 6, 305: "mine", 315: "Zoe", 296: 2}
        assert page.iccprofile == ICC
        assert page.resolution == (300, 300)


# ---- what becomes something else -------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "kind", "becomes", "said"),
    [
        ("CMYK", "JPEG", "RGB", "CMYK colours: converted to RGB"),
        ("CMYK", "TIFF", "RGB", "CMYK colours: converted to RGB"),
        ("P", "PNG", "RGB", "a palette"),
        ("1", "PNG", "L", "1 bit a pixel"),
    ],
)
def test_what_is_written_otherwise_is_remarked(
    mode: str, kind: str, becomes: str, said: str
) -> None:
    picture = Image.fromarray(random(13, 9, 3)).convert(mode)
    data = saved(picture, kind, icc_profile=ICC)
    images = read_images(data, channels=1)
    assert [said in remark for remark in images.remarks] == [True]
    after = opened(back(data))
    assert after.mode == becomes
    assert ("icc_profile" in after.info) == (mode != "CMYK")


def test_a_transparent_palette_keeps_its_transparency() -> None:
    picture = Image.fromarray(random(13, 9, 3)).convert("P")
    after = opened(back(saved(picture, "PNG", transparency=int(np.asarray(picture)[0, 0]))))
    assert after.mode == "RGBA"
    assert np.asarray(after)[0, 0, 3] == 0


def test_the_first_picture_of_a_phone_is_restored() -> None:
    first, second = (Image.fromarray(random(16, 16, 3)) for _ in range(2))
    data = saved(first, "MPO", save_all=True, append_images=[second])
    images = read_images(data, channels=3)
    assert "first of several pictures" in images.remarks[0]
    assert opened(back(data)).format == "JPEG"


# ---- what is refused -------------------------------------------------------------------


def frames(kind: str) -> bytes:
    first, *others = (Image.fromarray(random(16, 16, 3)) for _ in range(3))
    return saved(first, kind, save_all=True, append_images=others)


def broken_png() -> bytes:
    data = saved(Image.fromarray(random(64, 64, 3)), "PNG")
    return data[: len(data) // 2]


def ppm_16() -> bytes:
    return b"P6 2 2 65535\n" + random(2, 2, 3, dtype=np.uint16).tobytes()


def deep_cmyk() -> bytes:
    return tiff(random(8, 8, 4, dtype=np.uint16), photometric="separated", planarconfig="contig")


def lzw_16() -> bytes:
    """Sixteen bits in colour with a compression that tifffile alone cannot read."""
    data = tiff(random(8, 8, 3, dtype=np.uint16), photometric="rgb")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        place = file.pages[0].tags[259].valueoffset
    return data[:place] + struct.pack("<H", 5) + data[place + 2 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"hello, this is text", "no image that can be read"),
        (broken_png(), "truncated"),
        (png.encode_deep(random(3, 20, 20, dtype=np.uint16))[:500], "damaged, or ends too early"),
        (frames("GIF"), "3 frames or pages"),
        (frames("WEBP"), "3 frames or pages"),
        (frames("PNG"), "3 frames or pages"),
        (frames("TIFF"), "3 frames or pages"),
        (tiff(random(4, 8, 8, 3, dtype=np.uint16), photometric="rgb"), "4 frames or pages"),
        (saved(Image.fromarray(random(8, 8)), "GIF"), "convert it to PNG"),
        (ppm_16(), "more than 8 bits"),
        (deep_cmyk(), "SEPARATED colours"),
        (lzw_16(), "pip install imagecodecs"),
    ],
)
def test_what_cannot_be_restored_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        read_images(data, channels=1)
    assert "\n" not in str(caught.value)


def test_an_unreadable_path_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_images(tmp_path / "none.png", channels=1)
    with pytest.raises(DataError, match="Is a directory"):
        read_images(tmp_path, channels=1)


# ---- arrays ----------------------------------------------------------------------------


def array(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


@pytest.mark.parametrize(
    ("shape", "channels", "images"),
    [
        ((8, 9), 1, (1, 1, 8, 9)),
        ((5, 8, 9), 1, (5, 1, 8, 9)),
        ((3, 8, 9), 3, (1, 3, 8, 9)),
        ((8, 9, 3), 3, (1, 3, 8, 9)),
        ((8, 9, 3), 1, (1, 3, 8, 9)),
        ((5, 3, 8, 9), 3, (5, 3, 8, 9)),
        ((5, 8, 9, 3), 3, (5, 3, 8, 9)),
        ((5, 1, 8, 9), 1, (5, 1, 8, 9)),
        ((5, 4, 8, 9), 4, (5, 4, 8, 9)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, ">u2"])
def test_arrays_keep_their_layout(
    shape: tuple[int, ...], channels: int, images: tuple[int, ...], dtype: Any, tmp_path: Path
) -> None:
    values = (RANDOM.random(shape) * 200).astype(dtype)
    path = tmp_path / "images.npy"
    path.write_bytes(array(values))
    for source in (path, path.read_bytes()):
        found = read_images(source, channels=channels)
        assert found.stored.shape == images
        file = io.BytesIO()
        found.write(np.array(found.stored), file)
        after = np.load(io.BytesIO(file.getvalue()))
        assert after.dtype == values.dtype
        assert (after == values).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (array(np.array(["text"])), "no array of integers or floats"),
        (array(np.zeros((2, 3), bool)), "no array of integers or floats"),
        (array(np.zeros(4)), "an array 4; it must be"),
        (array(np.zeros((2, 2, 8, 9))), "an array 2×2×8×9; it must be"),
        (array(np.zeros((0, 8, 9))), "an empty array"),
        (array(np.zeros((64, 64)))[:300], "no .npy array"),
        (array(np.array([{"a": 1}])), "no .npy array"),
    ],
)
def test_arrays_that_hold_no_images(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    for source in (data, tmp_path / "a.npy"):
        with pytest.raises(DataError, match=reason):
            read_images(source, channels=1)


def test_checksums_of_our_chunks_are_right() -> None:
    data = png.encode_deep(random(1, 3, 3, dtype=np.uint16))
    (length,) = struct.unpack_from(">I", data, 8)
    body = data[12 : 16 + length]
    assert struct.unpack_from(">I", data, 16 + length) == (zlib.crc32(body),)
