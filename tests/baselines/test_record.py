"""What a study knows of the affine filter when it is created."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import inputs_of, study_file

from autoencoder_hpo.baselines import affine_record, fit_affine, study
from autoencoder_hpo.inputs import Inputs, describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.training.metrics import mse_per_image, psnr


def scored(inputs: Inputs) -> list[float]:
    """The PSNR of an affine filter of each fold."""
    found = []
    for fold in inputs.prepared:
        baseline = fit_affine(
            fold.train_clean,
            corruption=inputs.corruption,
            val_clean=fold.val_clean,
            val_noisy=fold.val_noisy,
            train_noisy=fold.train_noisy,
        )
        restored = baseline.restore(fold.val_noisy)
        found.append(float(psnr(mse_per_image(restored, fold.val_clean)).mean()))
    return found


def test_a_study_knows_what_the_affine_filter_scores(settings: Settings) -> None:
    inputs = inputs_of(study_file(), settings)
    known = describe(inputs).as_record()["affine"]
    assert known["psnr"] == pytest.approx(scored(inputs)[0])
    assert known["psnr"] > describe(inputs).as_record()["noisy"]["psnr"] + 2
    assert 0 < known["mse"] < 0.02
    assert 0.5 < known["ssim"] < 1
    assert (known["sees"], known["images"]) == ("the whole image", 200)
    assert describe(inputs).as_record()["affine"] == known


def test_it_knows_every_group(settings: Settings) -> None:
    known = describe(inputs_of(study_file(), settings)).as_record()
    sizes, groups = known["groups"], known["affine"]["groups"]
    mean = sum(sizes[name] * groups[name] for name in sizes) / sum(sizes.values())
    assert mean == pytest.approx(known["affine"]["psnr"], abs=1e-3)


def test_with_folds_it_is_their_mean(settings: Settings) -> None:
    inputs = inputs_of(study_file(task={"folds": 3}), settings)
    each = scored(inputs)
    assert len(set(each)) == 3
    assert describe(inputs).as_record()["affine"]["psnr"] == pytest.approx(sum(each) / 3)


def test_of_many_images_the_first_ones_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_of(study_file(), settings)
    all_of_them = affine_record(inputs.prepared, inputs.corruption)
    monkeypatch.setattr(study, "IMAGES", 50)
    fewer = affine_record(inputs.prepared, inputs.corruption)
    assert fewer is not None
    assert all_of_them is not None
    assert fewer.images == 50
    assert fewer.psnr < all_of_them.psnr


def test_a_clean_autoencoder_has_nothing_to_beat(settings: Settings) -> None:
    inputs = inputs_of(study_file(task={"corruption": {"kind": "none"}}), settings)
    assert describe(inputs).as_record()["affine"] is None


def test_pairs_and_feature_vectors_have_one_too(tmp_path: Path, settings: Settings) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        clean = np.full((12, 12), 20 * number)
        for folder, image in (("clean", clean), ("noisy", clean + rng.normal(0, 20, (12, 12)))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(
                tmp_path / folder / f"{number}.png"
            )
    pairs = {"dataset": "pairs", "noisy": str(tmp_path / "noisy"), "clean": str(tmp_path / "clean")}
    sizes = {"train": None, "validation": 2, "test": 2}
    inputs = inputs_of(study_file(task={"data": {**pairs, **sizes}, "corruption": None}), settings)
    assert inputs.corruption is None
    known = describe(inputs).as_record()
    assert known["affine"]["psnr"] > known["noisy"]["psnr"] + 3
    np.save(tmp_path / "vectors.npy", torch.rand(60, 9, generator=torch.Generator().manual_seed(0)))
    array = {"dataset": "array", "path": str(tmp_path / "vectors.npy")}
    vectors = describe(
        inputs_of(study_file(task={"data": {**array, **sizes}}), settings)
    ).as_record()["affine"]
    assert vectors["ssim"] is None
    assert vectors["psnr"] > 10
