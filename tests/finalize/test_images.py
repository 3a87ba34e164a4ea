"""All training images, and still the same validation and test images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import study_file

from autoencoder_hpo.data.corruption import validation_noise
from autoencoder_hpo.finalize.images import load_everything, load_images, load_test
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.study import StudyFile


def array(tmp_path: Path, scale: str, *, seed: int = 0) -> StudyFile:
    random = np.random.default_rng(seed)
    images = 100 * random.random((80, 8, 8)) * (0.5 + random.random((80, 1, 1)) / 2)
    np.save(tmp_path / "a.npy", images.astype(np.float32) if scale == "minmax" else images / 100)
    data: dict[str, Any] = {
        "dataset": "array", "path": str(tmp_path / "a.npy"), "scale": scale,
        "train": 5, "validation": 10, "test": 20,
    }  # fmt: skip
    return study_file(task={"data": data})


@pytest.mark.parametrize("scale", ["dtype", "minmax"])
def test_everything_changes_neither_validation_nor_test(
    tmp_path: Path, settings: Settings, scale: str
) -> None:
    file = array(tmp_path, scale)
    search = load_images(file, settings)
    full = load_everything(file, settings, search)
    assert (len(search.train), len(full.train)) == (5, 50)
    assert full.counts == {"train": 50, "validation": 10, "test": 20}
    assert torch.equal(full.validation.clean, search.validation.clean)
    assert torch.allclose(full.train.clean[:5], search.train.clean, atol=1e-6)
    assert full.scaling is search.scaling
    others = torch.cat([search.validation.clean, load_test(file, settings).clean])
    distances = torch.cdist(full.train.clean.flatten(1), others.flatten(1))
    assert distances.min() > 0.01


def test_a_search_on_everything_has_everything(settings: Settings) -> None:
    data = {"dataset": "digits", "validation": 64, "train": None}
    file = study_file(task={"data": data})
    search = load_images(file, settings)
    assert load_everything(file, settings, search) is search


def test_the_test_noise_is_its_own_and_always_the_same(settings: Settings) -> None:
    file = study_file()
    test = load_test(file, settings)
    assert torch.equal(test.noisy, load_test(file, settings).noisy)
    assert not torch.equal(test.noisy, validation_noise(test.clean, file.study.task))
    inside = (test.clean > 0.4) & (test.clean < 0.6)
    assert (test.noisy - test.clean)[inside].std() == pytest.approx(0.2, abs=0.02)


def test_digits_are_named_and_spread(settings: Settings) -> None:
    test = load_test(study_file(), settings)
    assert test.names is not None
    assert set(test.names) == set("0123456789")
    some = test.spread(10)
    assert len(some) == 10
    step = len(test) / 10
    places = [int(step * place) for place in range(10)]
    assert torch.equal(some.clean, test.clean[places])
    assert some.names == tuple(test.names[place] for place in places)


@pytest.mark.parametrize("folders", [("a", "b"), ("", "")])
def test_patches_are_named_by_folder_or_else_by_file(
    tmp_path: Path, settings: Settings, folders: tuple[str, str]
) -> None:
    random = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "photos" / folders[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (20, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    data = {
        "dataset": "folder", "path": str(tmp_path / "photos"), "patch": 8, "patches": 5,
        "train": 10, "validation": 2, "test": 6,
    }  # fmt: skip
    test = load_test(study_file(task={"data": data}), settings)
    assert len(test) == 30
    assert len(torch.unique(test.group)) == 6
    assert test.names is not None
    if folders == ("a", "b"):
        assert set(test.names) == {"a", "b"}
    else:
        assert len(set(test.names)) == 6
        assert all(name.endswith(".png") for name in test.names)
