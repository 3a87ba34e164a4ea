"""`autoencoder-hpo denoise`: what it reads, writes, says, and leaves alone."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support import Ended, launch, tracebacks, until

from autoencoder_hpo.denoise.jobs import find_jobs
from autoencoder_hpo.denoise.writing import check_folder
from autoencoder_hpo.errors import DataError, DiskError

Denoise = Callable[..., Ended]
Photo = Callable[..., NDArray[np.uint8]]
PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)


@pytest.fixture
def images(folder: Path, noisy: Photo) -> Path:
    """noisy/a.png, noisy/deep/er/b.jpg, noisy/deep/c.npy, and files that are no images."""
    (folder / "deep" / "er").mkdir(parents=True)
    Image.fromarray(noisy(70, 80)).save(folder / "a.png", dpi=(300, 300))
    Image.fromarray(noisy(60, 50)).save(folder / "deep" / "er" / "b.jpg")
    np.save(folder / "deep" / "c.npy", noisy(40, 40).astype(np.float32) / 255)
    (folder / "notes.txt").write_text("mine")
    (folder / ".hidden.png").write_text("not looked at")
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image)


def test_a_folder_is_mirrored(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    before = contents(images)
    ended = denoise(grey_bundle, "noisy", "restored/")
    assert ended.good() == "restored 3 of 3 images to restored/\n"
    assert ended.err == ""
    assert tree(tmp_path / "restored") == ["a.png", "deep/c.npy", "deep/er/b.jpg"]
    assert contents(images) == before
    with Image.open(tmp_path / "restored" / "a.png") as after:
        assert (after.size, after.mode) == ((80, 70), "L")
        assert after.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert (pixels(tmp_path / "restored" / "a.png") != pixels(images / "a.png")).any()
    assert np.load(tmp_path / "restored" / "deep" / "c.npy").dtype == np.float32


def test_one_file_to_a_file_a_folder_and_a_new_folder(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    for target, made in (("x/b.png", "x/b.png"), ("there", "there/a.png"), ("new", "new/a.png")):
        denoise(grey_bundle, images / "a.png", target).good()
        assert (tmp_path / made).is_file()


def test_patterns_keep_what_is_below_their_fixed_part(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    denoise(grey_bundle, "noisy/**/*.[jn]p*", images / "a.png", "out").good()
    assert tree(tmp_path / "out") == ["a.png", "deep/c.npy", "deep/er/b.jpg"]


def test_through_a_pipe(grey_bundle: Path, images: Path, tmp_path: Path) -> None:
    """In a process of its own, whose standard output is bytes. A pipe cannot tell a place in it."""
    Image.open(images / "a.png").save(images / "a.tif")
    for name in ("a.png", "a.tif", "deep/er/b.jpg", "deep/c.npy"):
        given = (images / name).read_bytes()
        process = launch(("denoise", grey_bundle, "-", "-"), cwd=tmp_path, env=os.environ, **PIPES)
        out, err = process.communicate(given)
        assert process.returncode == 0, err
        same = 4 if name.endswith(".tif") else 6  # then comes where a TIFF has its directory
        assert out[:same] == given[:same]
        assert err == b"restored 1 of 1 image to standard output\n"


def test_standard_input_to_a_file(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    given = (images / "a.png").read_bytes()
    denoise(grey_bundle, "-", "out.png", given=given).good()
    assert size(tmp_path / "out.png") == (80, 70)
    ended = denoise(grey_bundle, "-", "out.jpg", given=given)
    assert ended.err.endswith(
        "error: standard input: out.jpg: an image keeps its format; name it out.png\n"
    )
    assert denoise(grey_bundle, "-", "folder/", given=given).line.startswith(
        "standard input has no name"
    )
    assert not (tmp_path / "out.jpg").exists()


# ---- one bad file among many -----------------------------------------------------------


def test_a_corrupt_file_does_not_stop_the_rest(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    (images / "aa.png").write_bytes(b"")
    (images / "b.jpg").write_bytes((images / "deep" / "er" / "b.jpg").read_bytes()[:700])
    np.save(images / "nan.npy", np.full((20, 20), np.nan))
    ended = denoise(grey_bundle, "noisy", "restored")
    assert ended.code == 1
    assert ended.out == "restored 3 of 6 images to restored\n"
    first, *lines = ended.err.strip().splitlines()
    assert first == "error: 3 of 6 images were not restored:"
    assert lines[0] == "  noisy/aa.png: an empty file, of no bytes"
    assert lines[1].startswith("  noisy/b.jpg: image file is truncated")
    assert lines[2] == "  noisy/nan.npy: 400 pixels are NaN or infinite; replace them first"
    assert len(lines) == 3
    assert tree(tmp_path / "restored") == ["a.png", "deep/c.npy", "deep/er/b.jpg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.png", "out"], "nowhere.png: no such file or folder"),
        (["empty", "out"], "empty: no images found; give files of these kinds: bmp gif"),
        (["empty/*.png", "out"], "empty/*.png: no images found"),
        (["noisy", "-"], "3 images for standard output, which takes one"),
        (["noisy/a.png", "out.jpg"], "out.jpg: an image keeps its format; name it out.png"),
        (["noisy", "other", "out"], "noisy/a.png and other/a.png would both become out/a.png;"),
        (
            ["noisy/a.png", "noisy/a.png/out/"],
            "noisy/a.png/out: cannot be written (Not a directory)",
        ),
        (["noisy", "out", "--clean", "none"], "--clean none: no such folder"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    shutil.copy(images / "a.png", tmp_path / "other")
    assert denoise(grey_bundle, *words).line.startswith(said)


def test_a_bundle_that_is_none(denoise: Denoise, images: Path, tmp_path: Path) -> None:
    assert denoise("noisy", "noisy", "out").line.startswith("noisy")


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that everybody may look into; this process has no rights of its own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "closed").mkdir(mode=0o700)
        if os.geteuid() != 0:  # the folder is our own
            (Path(name) / "closed").chmod(0)
            yield Path(name)
            return
        os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_folders_that_are_not_ours(as_nobody: Path) -> None:
    with pytest.raises(DataError, match=r"closed: cannot be read \(Permission denied\)"):
        find_jobs([str(as_nobody / "closed")], "out")
    with pytest.raises(DiskError, match=r"out: cannot be written \(Permission denied\)"):
        check_folder(as_nobody / "closed" / "out")


# ---- nothing is overwritten ------------------------------------------------------------


@pytest.mark.parametrize("target", ["noisy", "noisy/../noisy/", "link", "deep/../noisy"])
def test_originals_stay_by_whatever_path(
    target: str, denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(images)
    (tmp_path / "deep").mkdir()
    before = contents(images)
    ended = denoise(grey_bundle, "noisy", target)
    assert ended.code == 1
    assert ended.out.startswith("restored 0 of 3 images")
    assert ended.err.count("is an original; --overwrite replaces it") == 3
    assert contents(images) == before


@pytest.mark.parametrize("kind", ["symlink", "hard link", "dangling"])
def test_links_to_originals_stay(
    kind: str, denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    match kind:
        case "symlink":
            out.symlink_to(images / "a.png")
        case "hard link":
            out.hardlink_to(images / "a.png")
        case _:
            out.symlink_to(images / "new.png")
    before = contents(images)
    ended = denoise(grey_bundle, images / "a.png", out)
    assert ended.code == 1
    assert ("exists already" if kind == "dangling" else "is an original") in ended.err
    assert contents(images) == before
    denoise(grey_bundle, images / "a.png", out, "--overwrite").good()
    assert contents(images) == before  # the link was replaced, not what it leads to
    assert not out.is_symlink()


def test_outputs_that_exist_stay_unless_asked(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "restored"
    out.mkdir()
    (out / "a.png").write_text("precious")
    ended = denoise(grey_bundle, "noisy", "restored")
    assert ended.code == 1
    assert "restored/a.png exists already; --overwrite replaces it" in ended.err
    assert (out / "a.png").read_text() == "precious"
    assert (out / "deep" / "c.npy").exists()
    denoise(grey_bundle, "noisy", "restored", "--overwrite").good()
    assert size(out / "a.png") == (80, 70)


def test_originals_are_replaced_when_asked(
    denoise: Denoise, grey_bundle: Path, images: Path
) -> None:
    before = contents(images)
    denoise(grey_bundle, "noisy", "noisy", "--overwrite").good()
    after = contents(images)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {
        "a.png",
        "deep/c.npy",
        "deep/er/b.jpg",
    }


def test_what_was_restored_before_is_no_input(
    denoise: Denoise, grey_bundle: Path, images: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        denoise(grey_bundle, "noisy", "noisy/restored", "--overwrite").good()
    assert tree(images / "restored") == ["a.png", "deep/c.npy", "deep/er/b.jpg"]


# ---- interrupted -----------------------------------------------------------------------


def test_ctrl_c_leaves_nothing_half_written(
    grey_bundle: Path, folder: Path, noisy: Photo, tmp_path: Path
) -> None:
    for number in range(200):
        Image.fromarray(noisy(300, 300)).save(folder / f"{number:03}.png")
    out = tmp_path / "out"
    words = ("denoise", grey_bundle, folder, out)
    process = launch(words, cwd=tmp_path, env=os.environ, text=True, **PIPES)
    until(lambda: out.exists() and len(list(out.glob("*.png"))) > 2)
    process.send_signal(signal.SIGINT)
    said, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert tracebacks(err) == []
    made = list(out.iterdir())
    assert said == f"restored {len(made)} of 200 images to {out}\n"
    assert 2 < len(made) < 200
    for file in made:
        assert size(file) == (300, 300)


# ---- warnings and scores ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma", "color", "said"),
    [
        (0.1, False, None),
        (0.5, False, "much noisier than what was trained for"),
        (0.0, False, "much less noisy than what was trained for"),
        (0.1, True, "3 channels, trained on grey images"),
    ],
)
def test_images_unlike_those_of_training_are_warned_of(
    sigma: float,
    color: bool,
    said: str | None,
    denoise: Denoise,
    grey_bundle: Path,
    noisy: Photo,
    folder: Path,
) -> None:
    Image.fromarray(noisy(256, 256, sigma=sigma, color=color)).save(folder / "a.png")
    ended = denoise(grey_bundle, "noisy", "restored")
    assert ended.good()
    warned = ended.err.splitlines()
    assert len(warned) == (said is not None)
    assert all(line.startswith(f"warning: noisy/a.png: {said}") for line in warned)


def test_many_warnings_of_a_kind_are_counted(
    denoise: Denoise, grey_bundle: Path, noisy: Photo, folder: Path
) -> None:
    for number in range(8):
        Image.fromarray(noisy(20, 20, color=True)).save(folder / f"{number}.png")
    warned = denoise(grey_bundle, "noisy", "restored").err.splitlines()
    assert len(warned) == 6
    assert warned[-1] == "warning: 3 more warnings about channels"


def test_scores_against_clean_images(
    denoise: Denoise, grey_bundle: Path, images: Path, photo: Photo, tmp_path: Path
) -> None:
    clean = tmp_path / "clean"
    (clean / "deep" / "er").mkdir(parents=True)
    Image.fromarray(photo(70, 80)).save(clean / "a.tif")
    Image.fromarray(photo(60, 51)).save(clean / "deep" / "er" / "b.png")
    ended = denoise(grey_bundle, "noisy", "restored", "--clean", "clean")
    warned = ended.err.splitlines()
    assert [line.split(": ", 2)[1] for line in warned] == [
        "noisy/deep/c.npy",
        "noisy/deep/er/b.jpg",
    ]
    assert "no scores: no clean partner clean/deep/c.*" in warned[0]
    assert "no scores: the clean partner is 1×60×51, not 1×60×50" in warned[1]
    row = next(line for line in ended.good().splitlines() if " a.png " in line)
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    for path, column in ((images / "a.png", 0), (tmp_path / "restored" / "a.png", 1)):
        pair = (photo(70, 80), pixels(path))
        psnr, ssim = (
            float(part) for part in row.replace("│", " ").replace("dB", "").split()[1:][column::2]
        )
        assert psnr == pytest.approx(peak_signal_noise_ratio(*pair), abs=0.006)
        assert ssim == pytest.approx(structural_similarity(*pair), abs=1e-4)


def test_help_says_how_and_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['x', 'denoise', '--help']\n"
        "from autoencoder_hpo.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "--clean" in said
