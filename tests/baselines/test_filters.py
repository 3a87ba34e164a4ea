"""Classical filters: any shape in, the same shape out."""

import pytest
import torch
from baselines.examples import corruption, noisy, photographs
from torch import Generator, Tensor

from autoencoder_hpo.baselines.filters import (
    AsItIs,
    Gaussian,
    Median,
    NonLocalMeans,
    TotalVariation,
    Wavelet,
)
from autoencoder_hpo.baselines.tuning import Filter

EVERY: list[Filter] = [
    AsItIs(),
    Gaussian(1.0),
    Median(3),
    TotalVariation(0.1),
    Wavelet(0.2),
    NonLocalMeans(h=0.1, sigma=0.1, patch=5),
]


def random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(0))


@pytest.mark.parametrize("filter", EVERY, ids=repr)
@pytest.mark.parametrize(
    "shape",
    [(2, 1, 8, 8), (2, 3, 7, 9), (1, 2, 5, 31), (3, 1, 1, 40), (1, 4, 16, 16), (2, 1, 1, 1)],
)
def test_any_shape_is_kept(filter: Filter, shape: tuple[int, ...]) -> None:
    images = random(*shape)
    before = images.clone()
    restored = filter(images)
    assert restored.shape == images.shape
    assert restored.dtype == torch.float32
    assert restored.isfinite().all()
    assert torch.equal(images, before)


@pytest.mark.parametrize("filter", EVERY, ids=repr)
def test_images_are_filtered_one_by_one(filter: Filter) -> None:
    images = noisy(photographs(3, size=(24, 20)), corruption())
    together = filter(images)
    assert torch.equal(together, torch.cat([filter(images[n : n + 1]) for n in range(3)]))


@pytest.mark.parametrize("filter", EVERY[1:], ids=repr)
def test_grey_in_colour_is_restored_as_grey(filter: Filter) -> None:
    grey = noisy(photographs(1, size=(24, 20), grey=True), corruption())
    alone, three = filter(grey), filter(grey.repeat(1, 3, 1, 1))
    assert torch.allclose(three, three[:, :1].expand_as(three), atol=1e-5)
    if not isinstance(filter, NonLocalMeans | TotalVariation):  # which look at all channels
        assert torch.allclose(three[:, :1], alone, atol=1e-5)
