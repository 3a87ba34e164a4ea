from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autoencoder_hpo.config import Task
from autoencoder_hpo.data.pixels import Source
from autoencoder_hpo.data.sources import read_source
from autoencoder_hpo.data.splits import SearchData, load_search_data

GREY = ("camera", "coins", "moon", "page", "text", "brick")
RGB = ("astronaut", "coffee", "chelsea", "rocket")


def _task(dataset: str, /, *, seed: int = 0, **data: Any) -> Task:
    corruption = None if dataset == "pairs" else {"kind": "gaussian", "sigma": 0.2}
    given = {"data": {"dataset": dataset, **data}, "corruption": corruption}
    return Task.model_validate({**given, "epochs": 1, "seed": seed})


@pytest.fixture
def make_task() -> Callable[..., Task]:
    """Call with the kind of data set and its settings."""
    return _task


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., SearchData]:
    """The search data of a task; relative paths start from `tmp_path`."""
    return lambda dataset, **data: load_search_data(
        _task(dataset, **data), base=tmp_path, datasets=tmp_path / "datasets"
    )


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Source]:
    """The stored pixels of a task; relative paths start from `tmp_path`."""
    return lambda dataset, **data: read_source(
        _task(dataset, **data), base=tmp_path, datasets=tmp_path / "datasets"
    )


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Write real photographs below tmp_path and return their folder."""

    def write(
        folder: str = "photos", *, names: tuple[str, ...] = GREY, suffix: str = ".png"
    ) -> Path:
        import skimage.data

        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            pixels = getattr(skimage.data, name)()[:160, :200]
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}{suffix}")
        return tmp_path / folder

    return write


@pytest.fixture
def flat(tmp_path: Path) -> Callable[..., Path]:
    """Write images of one value each, by which their file is known again."""

    def write(folder: str, values: range, *, size: int = 12) -> Path:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for value in values:
            pixels = np.full((size, size), value, np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{value:03}.png")
        return tmp_path / folder

    return write
