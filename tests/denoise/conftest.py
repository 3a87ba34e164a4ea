"""Real photographs, and the command on denoisers with fresh weights."""

import io
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from denoise.examples import fresh, written
from numpy.typing import NDArray
from support import Ended

from autoencoder_hpo.cli import main


@pytest.fixture
def photo() -> Callable[..., NDArray[np.uint8]]:
    """A real photograph's corner: [H,W] grey or [H,W,3]."""

    def cut(height: int, width: int, *, color: bool = False) -> NDArray[np.uint8]:
        import skimage.data

        picture = skimage.data.astronaut() if color else skimage.data.camera()
        repeats = (math.ceil(height / 512), math.ceil(width / 512), 1)[: picture.ndim]
        return np.ascontiguousarray(np.tile(picture, repeats)[:height, :width])

    return cut


@pytest.fixture
def noisy(photo: Callable[..., NDArray[np.uint8]]) -> Callable[..., NDArray[np.uint8]]:
    """The same, with Gaussian noise of this sigma, clipped."""

    def add(height: int, width: int, *, sigma: float = 0.1, color: bool = False) -> NDArray[Any]:
        clean = photo(height, width, color=color)
        noise = np.random.default_rng(0).normal(0, 255 * sigma, clean.shape)
        return np.rint(clean + noise).clip(0, 255).astype(np.uint8)

    return add


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "noisy"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def grey_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small U-Net for grey images and noise of sigma 0.1."""
    return written(fresh("unet", depth=1), tmp_path_factory.mktemp("bundles") / "grey.denoiser")


@pytest.fixture
def denoise(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Callable[..., Ended]:
    """The command in this process, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words: object, given: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["autoencoder-hpo", "denoise", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsysbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        out, err = capsysbinary.readouterr()
        number = code if isinstance(code, int) else 0 if code is None else 1
        return Ended(number, out.decode(errors="replace"), err.decode())

    return run
