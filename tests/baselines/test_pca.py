"""What the best linear autoencoder of each size leaves, against scikit-learn's."""

import pytest
import torch
from baselines.examples import digits
from sklearn.decomposition import PCA
from support import prepared
from torch import Generator, Tensor

from autoencoder_hpo.baselines.pca import pca_record, residuals
from autoencoder_hpo.training.prepared import DeviceData


def split(train: Tensor, val: Tensor) -> DeviceData:
    return DeviceData(torch.device("cpu"), train, None, val, val, 0.5, 0.25)


def record(train: Tensor, val: Tensor) -> dict[int, float]:
    found = pca_record([split(train, val)])
    assert found is not None
    return dict(found.mse)


def reference(train: Tensor, val: Tensor, components: int) -> float:
    pca = PCA(components, svd_solver="full").fit(train.flatten(1).double().numpy())
    flat = val.flatten(1).double().numpy()
    return float(((pca.inverse_transform(pca.transform(flat)) - flat) ** 2).mean())


def test_it_is_what_scikit_learn_leaves_of_validation_images() -> None:
    train, val = digits(0, 300), digits(300, 100)
    found = record(train, val)
    assert list(found) == [1, 2, 4, 8, 16, 32, 64]
    for components in (1, 8, 32):
        assert found[components] == pytest.approx(reference(train, val, components), rel=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert found[64] == pytest.approx(0, abs=1e-7)


def test_fewer_images_than_values() -> None:
    train, val = digits(0, 40), digits(300, 100)
    found = record(train, val)
    assert list(found) == [1, 2, 4, 8, 16, 32, 39]
    for components in (2, 16, 39):
        assert found[components] == pytest.approx(reference(train, val, components), rel=1e-4)


def test_as_many_components_as_the_images_have_leave_nothing() -> None:
    """Images made of three patterns: two components lose something, three nothing."""
    chance = Generator().manual_seed(0)
    patterns = torch.rand(3, 30, generator=chance, dtype=torch.float64)
    train, val = (torch.rand(n, 3, generator=chance).double() @ patterns for n in (50, 20))
    left = residuals(train, val, 4)
    assert left[1] > 1e-4
    assert left[2:].max() < 1e-12


def test_large_images_and_a_single_one_have_none() -> None:
    assert pca_record([prepared(torch.rand(4, 1, 65, 64))]) is None
    assert pca_record([prepared(torch.rand(1, 1, 8, 8))]) is None
    assert pca_record([prepared(torch.rand(4, 1, 64, 64))]) is not None
