import numpy as np
import pytest
import torch
from PIL import Image

from autoencoder_hpo.errors import DataError


def sixteen_bits(path):
    """Make an 8-bit image one of 16 bits."""
    with Image.open(path) as image:
        deep = np.asarray(image).astype(np.uint16) * 200 + 7
    Image.fromarray(deep).save(path)
    return deep


def truncate(path):
    path.write_bytes(path.read_bytes()[:200])


# ---- a folder ----------------------------------------------------------------------------


def test_whole_images_in_the_order_of_their_paths(read, photos):
    folder = photos("p/b", names=("camera", "coins"))
    photos("p/a", names=("text",))
    source = read("folder", path="p")
    assert source.clean.shape == (3, 1, 160, 200)
    assert source.clean.dtype == torch.uint8
    assert source.full_scale == 255
    with Image.open(folder / "camera.png") as camera:
        assert np.array_equal(source.clean[1, 0].numpy(), np.asarray(camera))


def test_color_images_keep_their_colors(read, photos):
    photos(names=("astronaut", "coffee", "chelsea"))
    assert read("folder", path="photos").clean.shape == (3, 3, 160, 200)


def test_patches_are_cut_from_their_file(read, photos):
    folder = photos(names=("camera", "coins", "moon"))
    source = read("folder", path="photos", patch=16, patches=5)
    assert source.clean.shape == (15, 1, 16, 16)
    assert source.group.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    with Image.open(folder / "coins.png") as image:
        places = np.lib.stride_tricks.sliding_window_view(np.asarray(image), (16, 16))
    for patch in source.clean[5:10, 0].numpy():
        assert (places == patch).all((2, 3)).any()


def test_patches_depend_on_seed_and_name_but_not_on_other_files(read, photos):
    photos(names=("camera", "moon"))
    two = read("folder", path="photos", patch=16, patches=5)
    other_seed = read("folder", path="photos", patch=16, patches=5, seed=1)
    photos(names=("coins",))
    three = read("folder", path="photos", patch=16, patches=5)
    assert torch.equal(two.clean[5:], three.clean[10:])
    assert not torch.equal(two.clean, other_seed.clean)
    assert len(two.clean[:5].unique(dim=0)) == 5


def test_files_are_cut_at_places_of_their_own(read, photos):
    folder = photos(names=("camera",))
    (folder / "copy.png").write_bytes((folder / "camera.png").read_bytes())
    source = read("folder", path="photos", patch=16, patches=5)
    assert not torch.equal(source.clean[:5], source.clean[5:])


def test_damaged_and_small_files_are_left_out_and_named(read, photos):
    folder = photos()
    truncate(folder / "coins.png")
    Image.new("L", (40, 20)).save(folder / "tiny.png")
    (folder / "notes.txt").write_text("no image")
    source = read("folder", path="photos", patch=32, patches=2)
    assert len(source.clean) == 10
    assert source.group.unique().tolist() == [0, 1, 2, 3, 4]
    damaged, tiny = source.skipped
    assert damaged.startswith(f"{folder}/coins.png: ")
    assert tiny == f"{folder}/tiny.png: 40×20 is smaller than the patch of 32"


def test_sixteen_bits_are_kept(read, photos):
    folder = photos(names=("camera", "coins"))
    deep = [sixteen_bits(path) for path in sorted(folder.iterdir())]
    source = read("folder", path="photos")
    assert source.full_scale == 65535
    assert np.array_equal(source.clean[:, 0].numpy(), np.stack(deep))


def test_eight_bits_are_raised_to_sixteen_among_them(read, photos):
    folder = photos(names=("camera", "coins"))
    before = read("folder", path="photos").clean
    deep = sixteen_bits(folder / "camera.png")
    source = read("folder", path="photos")
    assert source.full_scale == 65535
    assert np.array_equal(source.clean[0, 0].numpy(), deep)
    assert torch.equal(source.clean[1] / 65535, before[1] / 255)


def test_suffixes_in_capitals_count(read, photos):
    photos(names=("camera",), suffix=".PNG")
    photos(names=("coins",), suffix=".TIFF")
    assert len(read("folder", path="photos").clean) == 2


def test_mixed_colors_need_a_decision(read, photos):
    photos(names=("camera", "coffee", "coins"))
    with pytest.raises(
        DataError,
        match=r"camera.png is grey, .*coffee.png is in color; set data.color to grey or rgb",
    ):
        read("folder", path="photos")
    assert read("folder", path="photos", color="grey").clean.shape[1] == 1
    assert read("folder", path="photos", color="rgb").clean.shape[1] == 3


def test_mixed_sizes_need_patches(read, photos):
    Image.new("L", (30, 40)).save(photos(names=("camera",)) / "x.png")
    with pytest.raises(DataError, match=r"camera.png is 200×160, .*x.png 30×40; set data.patch"):
        read("folder", path="photos")
    assert len(read("folder", path="photos", patch=20, patches=3).clean) == 6


def test_a_missing_folder(read):
    with pytest.raises(DataError, match=r"nowhere: no such folder; correct the path"):
        read("folder", path="nowhere")


def test_a_file_is_no_folder(read, photos):
    photos()
    with pytest.raises(DataError, match=r"camera.png: a file; data needs the folder"):
        read("folder", path="photos/camera.png")


def test_an_empty_folder(read, tmp_path):
    (tmp_path / "empty" / "trap.png").mkdir(parents=True)
    with pytest.raises(DataError, match=r"empty: no images in it or below it; put some there"):
        read("folder", path="empty")


def test_nothing_but_damage(read, photos):
    folder = photos(names=("camera", "coins"))
    for path in folder.iterdir():
        truncate(path)
    with pytest.raises(
        DataError, match=r"none of the 2 images can be used, such as .*camera.png: "
    ):
        read("folder", path="photos")


# ---- pairs -------------------------------------------------------------------------------


@pytest.fixture
def pairs(photos):
    """Clean photographs, and inverted ones in place of noisy ones, in another format."""

    def write(names=("camera", "coins", "moon", "text")):
        clean, noisy = photos("clean", names=names), photos("noisy", names=names, suffix=".tif")
        for path in noisy.iterdir():
            with Image.open(path) as image:
                inverted = 255 - np.asarray(image)
            Image.fromarray(inverted).save(path)
        return noisy, clean

    return write


PAIRS = {"noisy": "noisy", "clean": "clean"}


def test_pairs_are_cut_at_the_same_places(read, pairs):
    pairs()
    source = read("pairs", **PAIRS, patch=16, patches=6)
    assert source.clean.shape == (24, 1, 16, 16)
    assert torch.equal(source.noisy, 255 - source.clean)
    assert source.group.tolist() == sorted([0, 1, 2, 3] * 6)


def test_pairs_of_whole_images(read, pairs):
    pairs()
    source = read("pairs", **PAIRS)
    assert torch.equal(source.noisy, 255 - source.clean)


def test_a_damaged_half_leaves_the_pair_out(read, pairs):
    noisy, clean = pairs()
    truncate(noisy / "coins.tif")
    truncate(clean / "moon.png")
    source = read("pairs", **PAIRS)
    assert torch.equal(source.noisy, 255 - source.clean)
    assert len(source.clean) == 2
    assert source.skipped[0].startswith(f"{noisy}/coins.tif: ")
    assert source.skipped[1].startswith(f"{clean}/moon.png: ")


def test_pairs_share_their_depth(read, pairs):
    _, clean = pairs()
    for path in clean.iterdir():
        sixteen_bits(path)
    source = read("pairs", **PAIRS)
    assert source.full_scale == 65535
    assert source.noisy.max() > 60000
    assert (source.noisy % 257 == 0).all()


def test_missing_partners_are_counted_and_named(read, pairs):
    noisy, clean = pairs(("camera", "coins", "moon", "text", "page", "brick"))
    for path in (noisy / "camera.tif", noisy / "coins.tif", clean / "moon.png", clean / "text.png"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"4 images without a partner: camera, coins, moon, …; give both"
    ):
        read("pairs", **PAIRS)


def test_partners_of_two_sizes(read, pairs):
    noisy, _ = pairs()
    Image.new("L", (30, 40)).save(noisy / "coins.tif")
    with pytest.raises(DataError, match=r"coins.tif is 30×40, its clean partner 200×160; both"):
        read("pairs", **PAIRS, patch=16)


def test_partners_of_two_colors(read, pairs):
    noisy, _ = pairs(("camera", "coins"))
    Image.new("RGB", (200, 160)).save(noisy / "coins.tif")
    with pytest.raises(
        DataError, match=r"camera.tif is grey, .*coins.tif is in color; set data.color"
    ):
        read("pairs", **PAIRS)


def test_names_that_differ_in_suffix_only(read, pairs):
    noisy, _ = pairs()
    Image.new("L", (200, 160)).save(noisy / "coins.png")
    with pytest.raises(
        DataError, match=r"coins.png and coins.tif differ in suffix only; remove one"
    ):
        read("pairs", **PAIRS)


@pytest.mark.parametrize("missing", ["noisy", "clean"])
def test_a_missing_half(read, photos, missing):
    photos("clean" if missing == "noisy" else "noisy")
    with pytest.raises(DataError, match=f"{missing}: no such folder"):
        read("pairs", **PAIRS)
