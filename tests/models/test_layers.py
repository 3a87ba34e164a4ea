"""Layers: groups that never normalize a value by itself, and dropout by its own stream."""

import pytest
import torch
from torch import Generator

from autoencoder_hpo.models.layers import (
    Draws,
    Dropout,
    groups_of,
    normalize_channels,
    normalize_features,
)


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (3, 1), (4, 1), (8, 2), (12, 3), (16, 4), (32, 8), (37, 1)]
)
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    assert groups_of(channels) == groups


def test_a_lone_feature_is_normalized_over_the_batch_or_not_at_all() -> None:
    assert normalize_features("layer", 1) == normalize_features("group", 1) == []
    assert len(normalize_features("batch", 1)) == 1


@pytest.mark.parametrize("normalize", [normalize_features, normalize_channels])
def test_an_unknown_normalization_is_refused(normalize: object) -> None:
    assert callable(normalize)
    with pytest.raises(AssertionError, match="unreachable"):
        normalize("instance", 8)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    layer = Dropout(0.25)
    layer.draws = [Draws(0.25, Generator().manual_seed(0))]
    dropped = layer(torch.ones(100_000))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    assert torch.equal(layer.eval()(torch.ones(9)), torch.ones(9))
