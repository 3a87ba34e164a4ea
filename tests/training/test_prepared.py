"""A split on its device: what every trial shares."""

import pytest
import torch
from training.examples import TASK, images

from autoencoder_hpo.data.corruption import validation_noise
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.training.prepared import prepare

CPU = torch.device("cpu")


def test_validation_noise_is_the_tasks() -> None:
    train, validation = ImageSet(images(30, 1)), ImageSet(images(20, 2))
    data = prepare(train, validation, TASK, CPU)
    assert torch.equal(data.val_noisy, validation_noise(validation.clean, TASK))
    assert torch.equal(data.val_clean, validation.clean)
    assert data.train_noisy is None


def test_statistics_are_those_of_the_clean_training_images() -> None:
    train, validation = ImageSet(images(30, 1)), ImageSet(images(20, 2))
    data = prepare(train, validation, TASK, CPU)
    assert data.mean == pytest.approx(float(train.clean.mean()))
    assert data.std == pytest.approx(float(train.clean.std()))


def test_images_of_one_grey_can_be_standardized() -> None:
    grey = ImageSet(torch.full((4, 1, 8, 8), 0.5))
    assert prepare(grey, grey, TASK, CPU).std > 0


def test_pairs_keep_their_own_noise() -> None:
    pairs = ImageSet(images(10, 1), images(10, 2))
    data = prepare(pairs, pairs, TASK, CPU)
    assert torch.equal(data.val_noisy, images(10, 2))
    assert data.train_noisy is not None
    assert torch.equal(data.train_noisy, images(10, 2))
