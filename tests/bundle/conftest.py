"""Bundles that are written once in each process of the tests."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import MODELS, SHAPES, Finished, finished


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Finished]]:
    """The bundle of one kind of model, written once; not to be changed."""
    bundles: dict[str, tuple[Path, Finished]] = {}

    def get(kind: str) -> tuple[Path, Finished]:
        if kind not in bundles:
            made = finished(MODELS[kind], SHAPES[kind])
            folder = tmp_path_factory.mktemp(kind) / "digits.denoiser"
            bundles[kind] = made.write(folder), made
        return bundles[kind]

    return get


@pytest.fixture
def bundle(written: Callable[[str], tuple[Path, Finished]], tmp_path: Path) -> Path:
    """A copy of the smallest bundle, to be damaged."""
    folder, _ = written("mlp")
    return shutil.copytree(folder, tmp_path / "digits.denoiser")
