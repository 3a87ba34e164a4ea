import numpy as np
import pytest
from PIL import Image, ImageSequence

from autoencoder_hpo.data.pictures import decode
from autoencoder_hpo.errors import DataError


@pytest.fixture
def astronaut():
    import skimage.data

    return Image.fromarray(skimage.data.astronaut()[40:100, 180:260])


@pytest.fixture
def decoded(tmp_path):
    """Save an image and decode it."""

    def save_and_decode(image, name="a.png", *, color="auto", **options):
        image.save(tmp_path / name, **options)
        return decode(tmp_path / name, color=color)

    return save_and_decode


@pytest.mark.parametrize("suffix", ["png", "tif", "TIFF", "bmp", "ppm"])
def test_color_keeps_its_pixels(decoded, astronaut, suffix):
    pixels = decoded(astronaut, f"a.{suffix}")
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels.transpose(1, 2, 0), np.asarray(astronaut))


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp"])
def test_lossy_formats_come_close(decoded, astronaut, suffix):
    pixels = decoded(astronaut, f"a.{suffix}", quality=95).transpose(1, 2, 0)
    assert np.abs(pixels - np.asarray(astronaut).astype(float)).mean() < 5


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "pgm", "gif"])
def test_grey_has_one_channel(decoded, astronaut, suffix):
    grey = astronaut.convert("L")
    if suffix == "gif":
        assert decoded(grey, "a.gif").shape in ((1, 60, 80), (3, 60, 80))
    else:
        assert np.array_equal(decoded(grey, f"a.{suffix}")[0], np.asarray(grey))


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("LA", 1), ("P", 3), ("RGBA", 3)])
def test_modes_become_grey_or_rgb(decoded, astronaut, mode, channels):
    pixels = decoded(astronaut.convert(mode))
    assert pixels.shape == (channels, 60, 80)
    assert pixels.dtype == np.uint8


def test_transparency_is_dropped(decoded, astronaut):
    clear = astronaut.copy()
    clear.putalpha(0)
    assert np.array_equal(decoded(clear).transpose(1, 2, 0), np.asarray(astronaut))


def test_cmyk_becomes_rgb(decoded, astronaut):
    pixels = decoded(astronaut.convert("CMYK"), "a.tif").transpose(1, 2, 0)
    assert np.array_equal(pixels, np.asarray(astronaut))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_survive(decoded, name):
    deep = np.arange(0, 60000, 200, dtype=np.uint16).reshape(15, 20)
    pixels = decoded(Image.fromarray(deep), name)
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels[0], deep)
    assert np.array_equal(decoded(Image.fromarray(deep), name, color="rgb")[2], deep)


def test_color_on_demand(decoded, astronaut):
    grey = astronaut.convert("L")
    assert np.array_equal(decoded(astronaut, color="grey")[0], np.asarray(grey))
    assert np.array_equal(decoded(grey, color="rgb"), np.repeat(np.asarray(grey)[None], 3, 0))


def test_the_first_frame_of_an_animation(decoded, astronaut):
    black = Image.new("RGB", astronaut.size)
    pixels = decoded(astronaut, "a.gif", save_all=True, append_images=[black])
    assert pixels.mean() > 20


def test_the_first_page_of_a_stack(tmp_path):
    import skimage

    path = skimage.data_dir + "/multipage.tif"
    with Image.open(path) as image:
        pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
    assert len(pages) > 1
    assert np.array_equal(decode(path, color="auto")[0], pages[0])


def test_the_cameras_rotation_is_applied(decoded, astronaut):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to see it upright
    pixels = decoded(astronaut, "a.png", exif=exif)
    assert np.array_equal(pixels.transpose(1, 2, 0), np.rot90(np.asarray(astronaut), -1))


def test_floating_point_pixels_are_refused(decoded):
    with pytest.raises(DataError, match=r"floating-point pixels; save them as .npy"):
        decoded(Image.new("F", (9, 9)), "a.tif")


def test_pixels_beyond_sixteen_bits_are_refused(decoded):
    with pytest.raises(DataError, match=r"32-bit pixels; save them as .npy"):
        decoded(Image.fromarray(np.full((9, 9), 70000, np.int32)), "a.tif")


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 60, b"GIF89a"]
)
def test_damage_is_one_line(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"^[^\n]+$"):
        decode(tmp_path / "a.png", color="auto")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.gif", "a.webp"])
def test_truncation_is_noticed(tmp_path, astronaut, name):
    astronaut.save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError):
        decode(tmp_path / name, color="auto")
