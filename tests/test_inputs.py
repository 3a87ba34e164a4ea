"""A study's images: the test images stay out of the search, other images are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support import inputs_of, study_file

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.data.splits import SearchData
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.inputs import check_models, check_objective, describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.results import EpochResult

ARRAY = {"dataset": "array", "path": "a.npy", "train": None, "validation": 0.2, "test": 0.2}


def array_study(folder: Path, images: np.ndarray, **task: object) -> StudyFile:
    np.save(folder / "a.npy", images)
    changed = {"data": {**ARRAY, "path": str(folder / "a.npy")}, **task}
    return study_file(task=changed)


def search(file: StudyFile, settings: Settings) -> list[EpochResult]:
    """A training with everything that a trial has."""
    config = TrialConfig.model_validate({"model": {"kind": "mlp", "depth": 1, "latent": 8}})
    inputs = inputs_of(file, settings)
    return list(build_training(file.study.task, config, inputs.prepared, seed=1))


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("scale", ["dtype", "minmax"])
def test_the_search_never_touches_the_test_images(
    tmp_path: Path, settings: Settings, folds: int, scale: str
) -> None:
    """Every pixel of every test image may change, and not one digit of the search does."""
    images = np.random.default_rng(0).integers(0, 200, (100, 8, 8)).astype(np.uint8)
    data = {**ARRAY, "path": str(tmp_path / "a.npy"), "scale": scale}
    file = array_study(tmp_path, images, folds=folds, data=data)
    before, seen = search(file, settings), inputs_of(file, settings).images

    held_out = [number for number in range(100) if not holds(seen, images[number])]
    assert len(held_out) == 20
    images[held_out] = 255 - images[held_out]
    np.save(tmp_path / "a.npy", images)
    assert search(file, settings) == before
    assert inputs_of(file, settings).images.hash != seen.hash  # but the change is noticed


def holds(data: SearchData, image: np.ndarray) -> bool:
    known = torch.cat([data.train.clean, data.validation.clean])
    assert data.scaling is not None
    scaled = data.scaling.apply(torch.from_numpy(image[None, None]))
    return bool((known - scaled).abs().flatten(1).amax(1).min() < 1e-6)


def test_a_study_knows_its_images_and_what_leaving_them_noisy_scores(settings: Settings) -> None:
    known = describe(inputs_of(study_file(), settings)).as_record()
    assert known["counts"]["train"] == 200
    assert known["counts"]["validation"] == 64
    assert known["shape"] == [1, 8, 8]
    assert len(known["hash"]) == 64
    assert known["affine"]["psnr"] > known["noisy"]["psnr"] + 2
    assert 14 < known["noisy"]["psnr"] < 18  # sigma 0.2 is 13.98 dB, and clipping helps
    assert describe(inputs_of(study_file(), settings)).as_record()["hash"] == known["hash"]


def test_the_validation_noise_is_the_tasks(settings: Settings) -> None:
    noisy = inputs_of(study_file(), settings).prepared[0].val_noisy
    again = inputs_of(study_file(search={"seed": 9}), settings).prepared[0].val_noisy
    other = inputs_of(study_file(task={"seed": 9}), settings).prepared[0].val_noisy
    assert torch.equal(noisy, again)
    assert not torch.equal(noisy, other)


def test_every_reason_why_models_cannot_take_the_images_is_said_once(settings: Settings) -> None:
    file = study_file(
        trial={"model": {"kind": "conv", "depth": [1, 4, 5], "channels": {"int": [4, 8]}}}
    )
    with pytest.raises(StudyError) as caught:
        check_models(file, inputs_of(file, settings))
    assert len(caught.value.problems) == 2
    assert "conv with depth 4 halves images of 8×8 to nothing" in caught.value.problems[0]


def test_an_objective_that_the_images_have_not_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).random((90, 30)))
    data = {"dataset": "array", "path": f"{tmp_path}/vectors.npy", "train": 40, "validation": 20}
    for objective in ("val_psnr", "val_bce"):
        file = study_file(task={"data": data}, search={"objective": objective})
        check_objective(file, inputs_of(file, settings))
    file = study_file(task={"data": data}, search={"objective": "val_ssim"})
    with pytest.raises(StudyError, match=r"search\.objective: val_ssim needs images of 3×3.*1×30"):
        check_objective(file, inputs_of(file, settings))
