from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from autoencoder_hpo.config import GaussianNoise, SaltAndPepper
from autoencoder_hpo.denoise.noise import LOOKED_AT, middle, noise_remark

Photo = Callable[..., Any]


def gaussian(sigma: float, *, clip: bool = True) -> GaussianNoise:
    return GaussianNoise(kind="gaussian", sigma=sigma, clip=clip)


def shirt() -> Any:
    """A grey shape on black, as small as those of Fashion-MNIST."""
    image = np.zeros((28, 28))
    image[6:22, 8:20] = 0.7
    return image


def with_noise(clean_HW: Any, sigma: float, seed: int = 0) -> Any:
    noise = np.random.default_rng(seed).normal(0, sigma, clean_HW.shape)
    return (clean_HW + noise).clip(0, 1).astype(np.float32)[None]


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2])
def test_the_noise_of_training_is_not_remarked(sigma: float, photo: Photo) -> None:
    assert noise_remark(with_noise(photo(300, 300) / 255, sigma), gaussian(sigma)) is None


def test_small_dark_images_are_seldom_mistaken() -> None:
    remarks = [noise_remark(with_noise(shirt(), 0.2, seed), gaussian(0.2)) for seed in range(60)]
    assert sum(remark is not None for remark in remarks) <= 3


@pytest.mark.parametrize(("real", "said"), [(0.0, "much less noisy"), (0.3, "much noisier")])
def test_other_noise_is_remarked(real: float, said: str, photo: Photo) -> None:
    remark = noise_remark(with_noise(photo(300, 300) / 255, real), gaussian(0.1))
    assert remark is not None
    assert remark.startswith(f"{said} than what was trained for: noise of 0.")
    assert "where sigma 0.1 would give 0." in remark


def test_nothing_is_said_where_nothing_is_known(photo: Photo) -> None:
    clean = with_noise(photo(300, 300) / 255, 0)
    for corruption in (None, SaltAndPepper(kind="salt_and_pepper", fraction=0.1)):
        assert noise_remark(clean, corruption) is None
    assert noise_remark(clean[:, :12, :12], gaussian(0.1)) is None


def test_the_middle_of_a_large_image_is_looked_at() -> None:
    image = np.arange(1000 * 600).reshape(1, 1000, 600)
    assert middle(image).shape == (1, LOOKED_AT, LOOKED_AT)
    assert middle(image)[0, 0, 0] == 244 * 600 + 44
    assert middle(image[:, :9]).shape == (1, 9, LOOKED_AT)
