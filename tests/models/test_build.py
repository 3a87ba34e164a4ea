"""Models: sizes and remedies of each kind; `contracts` has what all of them promise."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from autoencoder_hpo.config import ModelConfig
from autoencoder_hpo.models import build_model, count_parameters


def config(**fields: Any) -> ModelConfig:
    model: ModelConfig = TypeAdapter(ModelConfig).validate_python(fields)
    return model


def test_the_input_is_standardized() -> None:
    torch.manual_seed(0)
    plain = build_model(config(kind="mlp", output="linear"), (1, 8, 8))
    torch.manual_seed(0)
    shifted = build_model(config(kind="mlp", output="linear"), (1, 8, 8), mean=0.3, std=0.2)
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(shifted(images), plain((images - 0.3) / 0.2))


@pytest.mark.parametrize("kind", ["conv", "unet"])
def test_too_deep_a_model_is_one_line_with_the_remedy(kind: str) -> None:
    config(kind=kind, depth=3).check((1, 8, 9))
    with pytest.raises(ValueError, match=f"{kind} with depth 4 .* 8×9 .* may be 3 at most"):
        config(kind=kind, depth=4).check((1, 8, 9))
    with pytest.raises(ValueError, match="cannot take feature vectors; use kind: mlp"):
        config(kind=kind, depth=1).check((1, 1, 30))


def test_an_mlp_takes_feature_vectors() -> None:
    model = build_model(config(kind="mlp", depth=1), (1, 1, 30))
    assert model(torch.rand(5, 1, 1, 30)).shape == (5, 1, 1, 30)


@pytest.mark.parametrize("shape", [(1, 10, 1), (3, 1, 30), (1, 1, 1)])
def test_a_side_of_one_pixel_is_for_an_mlp(shape: tuple[int, int, int]) -> None:
    assert build_model(config(kind="mlp"), shape)(torch.rand(2, *shape)).shape == (2, *shape)
    with pytest.raises(ValueError, match="use kind: mlp"):
        config(kind="unet", depth=1).check(shape)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "group"])
@pytest.mark.parametrize("size", [1, 4, 8])
def test_no_normalization_silences_a_small_mlp(normalization: str, size: int) -> None:
    torch.manual_seed(0)
    style = {"normalization": normalization, "activation": "tanh", "output": "linear"}
    model = build_model(config(kind="mlp", depth=1, width=size, latent=size, **style), (1, 8, 8))
    assert model(torch.rand(64, 1, 8, 8)).std(0).mean() > 1e-3


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_signals_do_not_fade_without_normalization(kind: str) -> None:
    torch.manual_seed(0)
    model = build_model(config(kind=kind, depth=3, output="linear"), (1, 32, 32))
    assert model(torch.rand(16, 1, 32, 32)).std(0).mean() > 1e-3


def test_the_latent_units_are_linear() -> None:
    model = build_model(config(kind="mlp", normalization="batch", dropout=0.5), (1, 8, 8))
    latent = model.net.encoder(torch.rand(32, 1, 8, 8))
    assert latent.shape == (32, 64)
    assert latent.min() < 0


def test_sizes_follow_the_config() -> None:
    model = build_model(config(kind="mlp", depth=2, width=10, taper=0.5, latent=3), (1, 2, 2))
    weights = [tuple(p.shape) for p in model.parameters() if p.ndim > 1]
    assert weights == [(10, 4), (5, 10), (3, 5), (5, 3), (10, 5), (4, 10)]
    assert count_parameters(model) == sum(a * b + a for a, b in weights)
