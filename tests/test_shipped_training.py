"""Every shipped study trains: a few of its configs, for one epoch, on images of its shape."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.data.splits import ImageSet, load_search_data
from autoencoder_hpo.space import corners
from autoencoder_hpo.study import load_study
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.prepared import prepare

STUDIES = Path(__file__).parent.parent / "studies"
SHAPES = {
    "quickstart": (1, 8, 8),
    "fashion_mnist": (1, 28, 28),
    "fashion_mnist_strong": (1, 28, 28),
    "mnist_grid": (1, 28, 28),
    "photos": (3, 48, 48),
}
FASHION = Path("/usr/share/datasets/fashion-mnist")


def test_every_shipped_study_is_here() -> None:
    assert set(SHAPES) == {path.stem for path in STUDIES.glob("*.yaml")}


@pytest.mark.parametrize("path", sorted(STUDIES.glob("literature/*.yaml")), ids=lambda p: p.stem)
def test_a_study_of_the_literature_trains(path: Path) -> None:
    study = load_study(path).study
    images = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    data = prepare(ImageSet(images), ImageSet(images[:4]), study.task, torch.device("cpu"))
    first = next(iter(corners(study.space)))
    results = iter(Training(study.task, TrialConfig.model_validate(first.config), data, seed=0))
    assert next(results).finite


@pytest.mark.parametrize("name", SHAPES)
def test_a_shipped_study_trains(name: str) -> None:
    study = load_study(STUDIES / f"{name}.yaml").study
    images = torch.rand(20, *SHAPES[name], generator=torch.Generator().manual_seed(0))
    data = prepare(ImageSet(images), ImageSet(images[:4]), study.task, torch.device("cpu"))
    every = corners(study.space)
    for corner in every[:: max(1, len(every) // 6)]:
        config = TrialConfig.model_validate({**corner.config, "epochs": 1})
        (result,) = Training(study.task, config, data, seed=0)
        assert math.isfinite(result.train_loss), config


@pytest.mark.skipif(not FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_flagship_reads_the_real_images(tmp_path: Path) -> None:
    task = load_study(STUDIES / "fashion_mnist.yaml").study.task
    data = load_search_data(task, base=tmp_path, datasets=tmp_path)
    assert data.counts == {"train": 10_000, "validation": 2_000, "test": 10_000}
    assert data.shape == (1, 28, 28)
    assert not list(tmp_path.iterdir())  # nothing was downloaded
    pixels = data.train.clean
    assert float(pixels.mean()) == pytest.approx(0.286, abs=0.005)  # the published mean
    assert np.isclose(float(pixels.max()), 1.0)
