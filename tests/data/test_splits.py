import dataclasses

import numpy as np
import pytest
import torch

from autoencoder_hpo.data import splits
from autoencoder_hpo.data.splits import (
    ImageSet,
    SearchData,
    folds,
    load_search_data,
    load_test_images,
)
from autoencoder_hpo.data.torchvision_sets import DEBIAN
from autoencoder_hpo.errors import DataError


@pytest.fixture
def load_all(make_task, tmp_path):
    """Training, validation and test images of a task."""

    def load(dataset, **data):
        task = make_task(dataset, **data)
        found = load_search_data(task, base=tmp_path, datasets=tmp_path)
        return (
            found.train,
            found.validation,
            load_test_images(task, base=tmp_path, datasets=tmp_path),
        )

    return load


@pytest.fixture
def array(tmp_path):
    values = np.random.default_rng(0).random((40, 4, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    return values


def rows(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.clean}


def values(images: ImageSet) -> set[int]:
    """The files that flat patches come from."""
    return set((images.clean * 255).round().int().unique().tolist())


# ---- the three parts ---------------------------------------------------------------------


def test_digits_are_divided_without_overlap(load_all):
    train, validation, test = load_all("digits")  # scikit-learn's digits are all different
    assert (len(train), len(validation), len(test)) == (1455, 162, 180)
    assert len(rows(train) | rows(validation) | rows(test)) == 1797


def test_search_data_holds_no_test_images(load, load_all):
    data, (_, _, test) = load("digits"), load_all("digits")
    held = [getattr(data, name) for name in SearchData.__slots__]
    sets = [each for each in held if isinstance(each, ImageSet)]
    assert sum(len(images) for images in sets) == 1797 - len(test)
    assert not any(rows(images) & rows(test) for images in sets)


def test_official_test_images_are_the_test_set(load_all, monkeypatch):
    """A smaller data set that comes divided: a digit is a test image when it is dark."""
    official = splits.read_source

    def divided(task, **paths):
        source = official(task, **paths)
        dark = source.clean.sum((1, 2, 3)) < 280
        clean, test = source.clean[~dark], source.clean[dark]
        return dataclasses.replace(
            source, clean=clean, group=torch.arange(len(clean)), official_test=test
        )

    monkeypatch.setattr(splits, "read_source", divided)
    train, validation, test = load_all("digits", test=5)
    assert (test.clean.sum((1, 2, 3)) * 16 < 280).all()
    assert len(train) + len(validation) + len(test) == 1797
    assert len(rows(train) | rows(validation) | rows(test)) == 1797


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="apt install dataset-fashion-mnist")
def test_fashion_mnist_as_the_readme_uses_it(load):
    data = load("fashion_mnist", train=10000)
    assert data.counts == {"train": 10000, "validation": 6000, "test": 10000}
    assert data.shape == (1, 28, 28)


def test_shape_and_counts(load):
    data = load("digits", train=100, validation=50, test=0.5)
    assert data.shape == (1, 8, 8)
    assert data.counts == {"train": 100, "validation": 50, "test": 898}
    assert (len(data.train), len(data.validation)) == (100, 50)
    assert data.train.clean.dtype == torch.float32


def test_validation_does_not_depend_on_train(load, load_all):
    few, many = load("digits", train=10), load("digits", train=1000)
    assert torch.equal(few.validation.clean, many.validation.clean)
    assert torch.equal(few.train.clean, many.train.clean[:10])
    assert torch.equal(load_all("digits", train=10)[2].clean, load_all("digits")[2].clean)


def test_the_seed_decides_the_split(load):
    one, again, other = load("digits"), load("digits"), load("digits", seed=1)
    assert torch.equal(one.validation.clean, again.validation.clean)
    assert not torch.equal(one.validation.clean, other.validation.clean)


def test_three_images_are_enough(load, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4)))
    assert load("array", path="a.npy").counts == {"train": 1, "validation": 1, "test": 1}


# ---- files stay together -----------------------------------------------------------------


def test_patches_of_a_file_are_in_one_part(load_all, flat):
    flat("f", range(1, 31))
    train, validation, test = load_all("folder", path="f", patch=8, patches=4)
    assert (len(values(train)), len(values(validation)), len(values(test))) == (24, 3, 3)
    assert len(values(train) | values(validation) | values(test)) == 30
    assert len(train) == 96


def test_patches_of_photographs_stay_together(load, photos):
    photos()
    data = load("folder", path="photos", patch=16, patches=8)
    train, validation = (set(group.tolist()) for group in data.groups)
    assert not train & validation
    assert (len(train), len(validation)) == (4, 1)
    assert data.counts == {"train": 32, "validation": 8, "test": 8}


def test_numbers_count_files_but_train_counts_patches(load, flat):
    flat("f", range(1, 31))
    data = load("folder", path="f", patch=8, patches=4, test=5, validation=6, train=50)
    assert data.counts == {"train": 50, "validation": 24, "test": 20}
    assert len(values(data.train)) > 13  # not the first files only


def test_damaged_files_are_reported(load, flat):
    (flat("f", range(1, 31)) / "001.png").write_bytes(b"")
    data = load("folder", path="f")
    assert data.counts["train"] == 23
    assert len(data.skipped) == 1


def test_pairs_keep_their_partners(load_all, flat):
    flat("clean", range(1, 31))
    flat("noisy", range(1, 31))
    for images in load_all("pairs", noisy="noisy", clean="clean", patch=8, patches=3):
        assert torch.equal(images.noisy, images.clean)


# ---- too much asked ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"test": 40}, "data.test asks for 40 of 40 images, which leaves too few for validation"),
        ({"test": 39}, "data.test asks for 39 of 40 images, which leaves too few"),
        ({"test": 0.99}, "data.test asks for 40 of 40 images"),
        (
            {"test": 10, "validation": 30},
            "data.validation asks for 30 of 30 images, which leaves too few for training; set",
        ),
        (
            {"train": 33},
            "data.train asks for 33 images, but 32 are left for training; set data.train lower",
        ),
    ],
)
def test_too_much_asked_of_an_array(load, array, data, message):
    with pytest.raises(DataError, match=message):
        load("array", path="a.npy", **data)


def test_too_few_files(load, flat):
    flat("f", range(1, 3))
    with pytest.raises(DataError, match=r"2 usable files; a split needs at least 3"):
        load("folder", path="f", patch=8)


# ---- the hash ----------------------------------------------------------------------------


def test_equal_data_has_an_equal_hash(load, array):
    assert load("array", path="a.npy").hash == load("array", path="a.npy").hash
    assert load("array", path="a.npy").hash != load("array", path="a.npy", seed=1).hash
    assert load("array", path="a.npy").hash != load("array", path="a.npy", train=9).hash


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_pixel_of_any_part_changes_the_hash(load, load_all, array, tmp_path, part):
    before = load("array", path="a.npy").hash
    changed = load_all("array", path="a.npy")[part].clean[-1, 0].numpy()
    place = next(i for i, image in enumerate(array) if np.array_equal(image, changed))
    array[place, 3, 3] = 1 - array[place, 3, 3]
    np.save(tmp_path / "a.npy", array)
    assert load("array", path="a.npy").hash != before


def test_a_noisy_pixel_changes_the_hash(load, flat):
    from PIL import Image

    flat("clean", range(1, 11))
    noisy = flat("noisy", range(1, 11))
    before = load("pairs", noisy="noisy", clean="clean").hash
    Image.new("L", (12, 12), 77).save(noisy / "004.png")
    assert load("pairs", noisy="noisy", clean="clean").hash != before


# ---- folds -------------------------------------------------------------------------------


def test_one_fold_is_the_split(load):
    data = load("digits")
    ((train, validation),) = folds(data, 1, 0)
    assert train is data.train
    assert validation is data.validation


def test_every_image_is_held_out_once(load):
    data = load("digits")
    parts = folds(data, 5, 0)
    everything = rows(data.train) | rows(data.validation)
    assert sorted(len(validation) for _, validation in parts) == [323, 323, 323, 324, 324]
    assert set.union(*(rows(validation) for _, validation in parts)) == everything
    for train, validation in parts:
        assert rows(train) | rows(validation) == everything
        assert not rows(train) & rows(validation)


def test_the_seed_decides_the_folds(load):
    data = load("digits")
    one, again, other = (folds(data, 3, seed)[0][1].clean for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert one.shape != other.shape or not torch.equal(one, other)


def test_patches_of_a_file_are_in_one_fold(load, flat):
    flat("f", range(1, 31))
    data = load("folder", path="f", patch=8, patches=4)
    for train, validation in folds(data, 4, 0):
        assert not values(train) & values(validation)
        assert len(values(train) | values(validation)) == 27


def test_folds_keep_partners(load, flat):
    flat("clean", range(1, 31))
    flat("noisy", range(1, 31))
    for images in sum(folds(load("pairs", noisy="noisy", clean="clean"), 3, 0), ()):
        assert torch.equal(images.noisy, images.clean)


def test_images_without_groups_are_each_their_own():
    images = ImageSet(torch.rand(6, 1, 2, 2))
    parts = folds(SearchData(images, images, hash="", counts={}, skipped=()), 12, 0)
    assert [len(validation) for _, validation in parts] == [1] * 12


def test_more_folds_than_files(load, flat):
    flat("f", range(1, 6))
    data = load("folder", path="f", patch=8)
    with pytest.raises(DataError, match=r"5 folds need .* have 4; set task.folds lower"):
        folds(data, 5, 0)


def test_no_folds_is_a_bug_of_the_caller(load):
    with pytest.raises(ValueError, match=r"at least 1"):
        folds(load("digits"), 0, 0)


# ---- what validation images are called -----------------------------------------------------


def test_validation_images_know_their_class(load):
    from sklearn.datasets import load_digits

    digits = load_digits()
    known = {
        image.tobytes(): str(digit)
        for image, digit in zip(digits.images, digits.target, strict=True)
    }
    found = load("digits")
    assert found.train.names is None
    sixteenths = [(image[0] * 16).round().double().numpy() for image in found.validation.clean]
    assert found.validation.names == tuple(known[image.tobytes()] for image in sixteenths)


def test_validation_images_know_their_folder(load, flat):
    for number, folder in enumerate(("cats", "dogs")):
        flat(f"pets/{folder}", range(100 * number, 100 * number + 20))
    found = load("folder", path="pets", validation=12, test=4)
    kinds = ["cats" if image.max() < 90 / 255 else "dogs" for image in found.validation.clean]
    assert found.validation.names == tuple(kinds)
    assert set(kinds) == {"cats", "dogs"}


def test_images_of_one_folder_have_no_names_and_nor_have_those_of_very_many(load, flat):
    flat("alike", range(20))
    assert load("folder", path="alike").validation.names is None
    for number in range(20):
        flat(f"many/{number}", range(number, number + 1))
    assert load("folder", path="many", validation=9).validation.names is None


def test_folds_have_no_names(load):
    assert {pair[1].names for pair in folds(load("digits"), 3, 0)} == {None}
