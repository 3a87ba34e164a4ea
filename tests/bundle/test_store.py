"""A bundle, written and loaded: the same images, and nothing touched that is not its own."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bundles import MODELS, SHAPES, Finished, finished, images, restored_by

from autoencoder_hpo import load_denoiser
from autoencoder_hpo.bundle.folder import _beside, write_folder
from autoencoder_hpo.bundle.onnx import check_graph
from autoencoder_hpo.bundle.weights import pack_weights
from autoencoder_hpo.errors import BundleError, DataError, DiskError

Written = Callable[[str], tuple[Path, Finished]]


@pytest.mark.parametrize("kind", MODELS)
def test_a_loaded_denoiser_restores_what_the_model_did(written: Written, kind: str) -> None:
    folder, made = written(kind)
    loaded = load_denoiser(folder)
    noisy = images(3, *SHAPES[kind])
    restored = loaded.restore(noisy)
    torch.testing.assert_close(restored, restored_by(made.model, noisy), atol=1e-6, rtol=0)
    assert not torch.equal(restored, noisy)
    assert not restored.requires_grad
    assert loaded.config == made.config
    assert loaded.channels == SHAPES[kind][0]


def test_a_bundle_is_what_its_manifest_says(written: Written) -> None:
    folder, _ = written("mlp")
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files == {*manifest["files"], "manifest.json"}
    assert files >= {"weights.safetensors", "config.json", "model.onnx", "README.md", "scores.json"}
    assert manifest["files"]["pictures/restored.png"]["bytes"] == len(b"a picture")
    assert json.loads((folder / "scores.json").read_text())["test"]["psnr"] == 24.5
    assert (folder / "README.md").read_text() == "# A denoiser\n"
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("kind", MODELS)
def test_the_model_stays_as_training_left_it(written: Written, kind: str) -> None:
    _, made = written(kind)
    fresh = finished(MODELS[kind], SHAPES[kind]).model.state_dict()
    assert made.model.training
    assert all(parameter.requires_grad for parameter in made.model.parameters())
    for name, tensor in made.model.state_dict().items():
        assert torch.equal(fresh[name], tensor)
        assert fresh[name].stride() == tensor.stride()
    noisy = images(1, SHAPES[kind][0], 7, 9)
    if made.config.config.model.size(SHAPES[kind]) is None:
        assert made.model(noisy).shape == noisy.shape


def test_weights_that_share_memory_are_written_apart() -> None:
    """Those of a stack are views of one tensor."""
    made = finished(MODELS["mlp"], SHAPES["mlp"])
    plain = pack_weights(made.model)
    together = torch.cat([p.data.flatten() for p in made.model.parameters()])
    start = 0
    for parameter in made.model.parameters():
        parameter.data = together[start : start + parameter.numel()].view(parameter.shape)
        start += parameter.numel()
    assert pack_weights(made.model) == plain


# ---- what is there already ----------------------------------------------------------------


def test_what_is_there_stays_unless_asked(bundle: Path) -> None:
    before = (bundle / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match=r"digits\.denoiser: there is something already"):
        finished(MODELS["mlp"], SHAPES["mlp"]).write(bundle)
    assert (bundle / "manifest.json").read_bytes() == before


def test_a_bundle_is_replaced_when_asked(bundle: Path, tmp_path: Path) -> None:
    write_folder(bundle, {"b/c": b"new", "manifest.json": b"new"}, replaces="manifest.json")
    assert sorted(p.name for p in bundle.rglob("*")) == ["b", "c", "manifest.json"]
    assert [p.name for p in tmp_path.iterdir()] == [bundle.name]


@pytest.mark.parametrize("name", ["photographs", "photographs/me.jpg", "link"])
def test_nothing_but_a_bundle_is_ever_replaced(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "me.jpg").write_bytes(b"dear")
    (tmp_path / "link").symlink_to(bundle)
    with pytest.raises(BundleError, match="this is no bundle and stays"):
        finished(MODELS["mlp"], SHAPES["mlp"]).write(tmp_path / name, overwrite=True)
    assert (tmp_path / "photographs" / "me.jpg").read_bytes() == b"dear"


def test_an_empty_folder_may_become_a_bundle(tmp_path: Path) -> None:
    write_folder(tmp_path / "a" / "b", {"c": b""}, replaces=None)
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", {"c": b"new"}, replaces=None)
    assert (tmp_path / "empty" / "c").read_bytes() == b"new"


# ---- what cannot be written ---------------------------------------------------------------


def test_a_config_of_another_model_is_refused(tmp_path: Path) -> None:
    made = finished(MODELS["mlp"], SHAPES["mlp"])
    other = finished({**MODELS["mlp"], "latent": 6}, SHAPES["mlp"])
    with pytest.raises(BundleError, match=r"weight net\.decoder\.0\.weight is float32 \[12, 5\]"):
        made.write(tmp_path / "a", config=other.config)
    with pytest.raises(BundleError, match=r"mean or std is not config\.json's"):
        made.write(tmp_path / "a", config=made.config.model_copy(update={"mean": 0.31}))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_diverged_is_refused(tmp_path: Path) -> None:
    made = finished(MODELS["mlp"], SHAPES["mlp"])
    next(made.model.parameters()).data[0, 0] = torch.nan
    with pytest.raises(BundleError, match=r"weight net\.encoder\.1\.weight is not finite"):
        made.write(tmp_path / "a")


def test_a_graph_that_does_something_else_is_refused(written: Written) -> None:
    folder, made = written("conv")
    graph, where = (folder / "model.onnx").read_bytes(), folder / "model.onnx"
    model = load_denoiser(folder).model
    check_graph(graph, model, made.config, made.noisy, where=where)
    model.mean += 1e-3
    with pytest.raises(BundleError, match=r"model\.onnx: its images differ .* and 0\.0001 is"):
        check_graph(graph, model, made.config, made.noisy, where=where)


def test_examples_that_prove_nothing_are_refused(written: Written) -> None:
    folder, made = written("mlp")
    model, noisy = load_denoiser(folder).model, made.noisy.clone()
    with pytest.raises(ValueError, match="examples_NCHW holds no image"):
        check_graph(b"", model, made.config, noisy[:0], where=folder)
    noisy[1, 0, 2, 3] = torch.nan
    with pytest.raises(DataError, match=r"images\[1, 0, 2, 3\] is nan"):
        check_graph(b"", model, made.config, noisy, where=folder)


@pytest.mark.parametrize(
    "name", ["../me.png", "a/b.png", "/me.png", ".png", "me.jpg", "", "a\n.png"]
)
def test_a_picture_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    made = finished(MODELS["mlp"], SHAPES["mlp"])
    with pytest.raises(ValueError, match="is no name for a picture"):
        made.write(tmp_path / "a", pictures={name: b""})


def test_a_full_disk_is_one_line_and_leaves_what_was_there(bundle: Path, tmp_path: Path) -> None:
    contents = {"a": b"a", "b": bytes(3000), "manifest.json": b""}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(DiskError, match=r"a\.denoiser: File too large; free some space"):
            write_folder(tmp_path / "a.denoiser", contents, replaces=None)
        with pytest.raises(DiskError, match=r"digits\.denoiser: File too large"):
            write_folder(bundle, contents, replaces="manifest.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == [bundle.name]
    assert load_denoiser(bundle).config.trial == 7


def test_a_parent_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="or write to another folder"):
        write_folder(tmp_path / "file" / "a.denoiser", {"a": b""}, replaces=None)


# ---- what kills a writer ------------------------------------------------------------------

KILLED = """
import os, runpy, signal, sys
from pathlib import Path
write_folder = runpy.run_path(sys.argv[2])["write_folder"]  # without torch, forks are quick

def die_at(moment):
    left = [moment]
    def count(event, args):
        if event in ("open", "os.mkdir", "os.rename", "os.listdir", "os.scandir", "os.rmdir"):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
    return count

folder, contents, moment = Path(sys.argv[1]), {"a": b"a", "d/b": b"b", "manifest.json": b"new"}, 0
while True:
    moment += 1
    child = os.fork()
    if not child:
        sys.addaudithook(die_at(moment))
        write_folder(folder / str(moment) / "x", contents, replaces="manifest.json")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status != signal.SIGKILL:
        sys.exit(status != 0)
"""


@pytest.mark.parametrize("before", [False, True], ids=["new", "replaced"])
def test_a_writer_killed_at_any_moment_leaves_a_whole_folder_or_none(
    tmp_path: Path, before: bool
) -> None:
    """Killed at its first step, its second, and so on, until it is done before that."""
    for moment in range(60 if before else 0):
        write_folder(tmp_path / str(moment) / "x", {"manifest.json": b"old"}, replaces=None)
    module = str(write_folder.__code__.co_filename)
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), module], check=True)
    found = [_whole(tmp_path / str(moment) / "x") for moment in range(1, 60)]
    done = found.index("new")
    assert found.count("none") <= 1 if before else "old" not in found
    assert 10 < done < 50
    assert set(found[:done]) <= {"old", "none"}
    for left in tmp_path.glob("*/.x.*"):
        write_folder(left.parent / "x", {"manifest.json": b"new"}, replaces="manifest.json")
        assert [p.name for p in left.parent.iterdir()] == ["x"]


def _whole(folder: Path) -> str:
    if not folder.exists():
        return "none"
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    if files == {"manifest.json": b"old"}:
        return "old"
    assert files == {"a": b"a", "d/b": b"b", "manifest.json": b"new"}
    return "new"


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The folder of one that is at work is not taken for one that was left behind."""
    with _beside(tmp_path / "x") as beside:
        write_folder(tmp_path / "x", {"a": b"other"}, replaces=None)
        assert beside.is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
