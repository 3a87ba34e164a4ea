"""Bundles that are damaged, forged, incomplete or of a later version: one line that says where."""

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bundles import Finished, seal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from autoencoder_hpo import load_denoiser
from autoencoder_hpo.errors import BundleError, DeviceError

Written = Callable[[str], tuple[Path, Finished]]
FILES = (
    "weights.safetensors",
    "config.json",
    "model.onnx",
    "README.md",
    "scores.json",
    "pictures/restored.png",
    "manifest.json",
)


def refused(folder: Path, pattern: str) -> None:
    with pytest.raises(BundleError, match=pattern) as caught:
        load_denoiser(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert str(folder) in str(caught.value)


# ---- damage -------------------------------------------------------------------------------


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(file=st.sampled_from(FILES), place=st.floats(0, 1), bits=st.integers(1, 255))
def test_a_changed_byte_anywhere_is_found(bundle: Path, file: str, place: float, bits: int) -> None:
    path = bundle / file
    before = path.read_bytes()
    changed = bytearray(before)
    changed[int(place * (len(before) - 1))] ^= bits
    path.write_bytes(changed)
    refused(bundle, "not as it was written|has format [2-9]")
    path.write_bytes(before)


@pytest.mark.parametrize(("old", "new"), [("\n  ", "\n\t"), ("  ", " "), ("}", "} ")])
def test_a_manifest_written_in_another_way_is_not_as_it_was(
    bundle: Path, old: str, new: str
) -> None:
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace(old, new, 1))
    refused(bundle, r"manifest\.json: not as it was written")


def test_a_manifest_with_another_checksum_of_its_own_is_refused(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["sha256"] = "0" * 64
    (bundle / "manifest.json").write_text(json.dumps(manifest, indent=2))
    refused(bundle, r"manifest\.json: not as it was written")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("change", [lambda all: all[:-1], lambda all: all + b"\n", lambda all: b""])
def test_a_file_of_another_length_is_found(
    bundle: Path, file: str, change: Callable[[bytes], bytes]
) -> None:
    (bundle / file).write_bytes(change((bundle / file).read_bytes()))
    refused(bundle, f"{re.escape(file)}: not as it was written; copy the bundle again")


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(bundle: Path, file: str) -> None:
    (bundle / file).unlink()
    refused(bundle, f"{re.escape(file)}: missing; copy the whole bundle again")


def test_what_is_no_bundle_is_said(tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "no such folder")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "no such folder")
    refused(tmp_path, r"manifest\.json: missing")


def test_other_files_are_left_alone(bundle: Path) -> None:
    (bundle / ".DS_Store").write_bytes(b"of a file manager")
    assert load_denoiser(bundle).config.trial == 7


def test_an_unknown_device_is_one_line(bundle: Path) -> None:
    with pytest.raises(DeviceError, match="no such kind"):
        load_denoiser(bundle, device="abacus")


# ---- forgeries: the manifest fits ----------------------------------------------------------


@pytest.mark.parametrize("file", FILES[:5])
def test_a_manifest_without_a_file_is_incomplete(bundle: Path, file: str) -> None:
    (bundle / file).unlink()
    seal(bundle)
    refused(bundle, rf"manifest\.json: {re.escape(file)} is not in it")


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "/etc/passwd",
        "pictures/../../x.png",
        "pictures/a/b.png",
        "x.py",
        "a\\b",
        "",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(bundle: Path, name: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["README.md"]
    del manifest["sha256"]
    (bundle / "manifest.json").write_text(_sealed(manifest))
    refused(bundle, r"manifest\.json: .* is no file of a bundle")


@pytest.mark.parametrize("file", [*FILES, "pictures"])
def test_a_link_is_refused(bundle: Path, tmp_path: Path, file: str) -> None:
    outside = tmp_path / "outside"
    (bundle / file).rename(outside)
    (bundle / file).symlink_to(outside)
    refused(bundle, f"{re.escape(file)}: this is a link")


def test_a_pipe_is_refused_and_not_waited_for(bundle: Path) -> None:
    (bundle / "README.md").unlink()
    os.mkfifo(bundle / "README.md")
    refused(bundle, r"README\.md: this is no file")


def test_a_link_to_a_whole_bundle_is_somebodys_own_way_to_it(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(bundle)
    assert load_denoiser(tmp_path / "latest").config.trial == 7


@pytest.mark.parametrize("extra", [{}, {"signature": "of a kind to come", "files": []}])
def test_a_newer_format_is_named_as_such(bundle: Path, extra: dict[str, Any]) -> None:
    """Also one whose manifest says other things than this version's."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "format": 2, **extra}))
    refused(bundle, "the bundle has format 2, and this version reads up to 1; upgrade")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "1", '{"format": 1}', "[" * 100_000, "\x00"]
)
def test_a_manifest_that_is_something_else_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    refused(bundle, r"manifest\.json: not as it was written")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"std": 0}, "std: "),
        ({"shape": [1, 6]}, "shape.2: "),
        ({"format": 2}, "format: "),
        ({"low": 255.0}, r"high \(255\) must be above low"),
        ({"colour": "mauve"}, "unknown key colour"),
        ({"mean": 0.5}, r"mean or std is not config\.json's"),
        ({"shape": [1, 6, 8]}, r"weight net\.encoder\.1\.weight is float32 \[12, 42\], but"),
        ({"shape": [1, 2**40, 2**40]}, "config.json describes no possible model"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    bundle: Path, change: dict[str, Any], reason: str
) -> None:
    path = bundle / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    seal(bundle)
    refused(bundle, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda all: all | {"net.more": torch.zeros(1)},
            r"weight net\.more is none of the model's",
        ),
        (lambda all: _without(all, "net.out.bias"), r"weight net\.out\.bias is missing"),
        (lambda all: all | {"net.out.bias": torch.zeros(41)}, r"is float32 \[41\], but .* \[42\]"),
        (lambda all: all | {"net.out.bias": torch.zeros(42).half()}, r"is float16 \[42\], but"),
        (lambda all: all | {"net.out.bias": torch.full((42,), torch.inf)}, "is not finite"),
        (lambda all: {}, "is missing"),
    ],
)
def test_weights_of_another_model_are_refused(
    bundle: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], reason: str
) -> None:
    path = bundle / "weights.safetensors"
    path.write_bytes(save(change(load(path.read_bytes()))))
    seal(bundle)
    refused(bundle, rf"weights\.safetensors: .*{reason}")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=64) | st.binary(max_size=64).map(lambda b: b"\x08" + bytes(7) + b)
)
def test_weights_of_any_bytes_are_refused(bundle: Path, content: bytes) -> None:
    (bundle / "weights.safetensors").write_bytes(content)
    seal(bundle)
    refused(bundle, r"weights\.safetensors: ")


# ---- pickles ------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize("make", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_pickle_in_place_of_the_weights_is_not_opened(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    with (bundle / "weights.safetensors").open("wb") as file:
        make(Bomb(), file)
    seal(bundle)
    refused(bundle, r"weights\.safetensors: no safetensors file")
    assert not (tmp_path / "exploded").exists()


LOAD = """
import sys
import autoencoder_hpo
assert "torch" not in sys.modules and "pydantic" not in sys.modules
load = autoencoder_hpo.load_denoiser
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
assert load(sys.argv[1]).config.trial == 7
assert "open" in seen
print([event for event in seen if event in ("pickle.find_class", "exec", "compile", "import")])
"""


def test_loading_unpickles_nothing_and_importing_needs_no_torch(bundle: Path) -> None:
    out = subprocess.check_output([sys.executable, "-c", LOAD, str(bundle)], text=True)
    assert "pickle.find_class" not in out


def _without(weights: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {key: tensor for key, tensor in weights.items() if key != name}


def _sealed(manifest: dict[str, Any]) -> str:
    from autoencoder_hpo.bundle.manifest import _sealed

    return _sealed(manifest)
