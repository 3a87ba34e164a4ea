"""What a model's config says of pixels and their neighbours, measured on the model itself."""

from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
import torch
from contracts.model_kinds import (
    KINDS,
    OWN,
    SHAPES,
    STYLE,
    kind_config,
    lively,
    loaded,
    name_of,
    refusal,
)
from torch import Generator, Tensor, nn

from autoencoder_hpo.config import ModelConfig, Normalization
from autoencoder_hpo.denoise.plan import pixel_bytes, plan_tiles
from autoencoder_hpo.denoise.restoring import restore_stored
from autoencoder_hpo.denoise.value_range import ValueRange
from autoencoder_hpo.models import build_model

NOTHING = 1e-11
"""Rounding in float64; what passes through a small model is far above it."""

own = pytest.mark.parametrize(("kind", "change"), OWN, ids=name_of)


def smooth(kind: str, **changes: Any) -> ModelConfig:
    return kind_config(kind, **{**STYLE, **changes})


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(seed)).double()


def up(number: int, multiple: int) -> int:
    return number + -number % multiple


# ---- reach -----------------------------------------------------------------------------


@torch.no_grad()
def reach_of(config: ModelConfig) -> int:
    """How many rows or columns beyond a border a change on its one side is seen on the other.

    Tried with borders at all places within a multiple, in four directions. Twice the reach that is
    claimed would be seen.
    """
    multiple = config.multiple
    claimed = config.reach((1, 4 * multiple, 4 * multiple))
    half = up(2 * claimed + multiple, multiple)
    model = lively(config, (1, 2 * half, 4 * multiple))
    image, other = noise(1, 1, 2 * half, 4 * multiple), noise(1, 1, 2 * half, 4 * multiple, seed=1)
    found = 0
    for turned in (False, True):
        for border in range(half, half + multiple):
            for above in (False, True):
                changed = (torch.arange(2 * half) < border) == above
                mixed = torch.where(changed[:, None], other, image)
                views = [x.mT.contiguous() if turned else x for x in (image, mixed)]
                before, after = (model(x).mT if turned else model(x) for x in views)
                differs = ((before - after).abs().amax((0, 1, 3)) > NOTHING) & ~changed
                rows = differs.nonzero().flatten()
                if len(rows):
                    found = max(found, int((rows - border + 1 if above else border - rows).max()))
    return found


@own
def test_the_reach_is_true_and_not_far_above_the_truth(kind: str, change: dict[str, Any]) -> None:
    config = smooth(kind, **change)
    if config.size((1, 9, 12)) is not None:
        assert config.reach((1, 9, 12)) == max(9, 12)
        return
    for normalization in ("none", "batch"):
        config = smooth(kind, **change, normalization=normalization)
        claimed, found = config.reach((1, 8, 8)), reach_of(config)
        assert found <= claimed <= 2 * found


@pytest.mark.parametrize("normalization", get_args(Normalization))
@pytest.mark.parametrize("kind", KINDS)
def test_what_depends_on_the_whole_image_is_what_says_so(kind: str, normalization: str) -> None:
    config = smooth(kind, normalization=normalization)
    if config.size((1, 8, 8)) is not None:
        assert not config.whole_image
        return
    side = up(2 * config.reach((1, 8, 8)) + 3, config.multiple)
    model, image = lively(config, (1, side, side)), noise(1, 1, side, side)
    changed = image.clone()
    changed[..., 0, 0] += 1
    with torch.no_grad():
        difference = (model(image) - model(changed)).abs()
    assert difference[..., 0, 0].item() > NOTHING
    assert bool(difference[..., -1, -1].item() > NOTHING) == config.whole_image


# ---- multiple --------------------------------------------------------------------------


@torch.no_grad()
def shifts_with(config: ModelConfig, step: int) -> bool:
    """Whether an image without its first rows and columns is restored as before, but for them."""
    reach, multiple = config.reach((1, 8, 8)), config.multiple
    side = up(2 * reach + 3 * multiple + 2, multiple)
    model, image = lively(config, (1, side, side)), noise(1, 1, side, side)
    whole, part = model(image)[..., step:, step:], model(image[..., step:, step:].contiguous())
    middle = slice(reach, side - step - reach)
    difference = (whole - part)[..., middle, middle]
    assert difference.numel() > 0
    return bool(difference.abs().max() <= NOTHING)


@own
def test_the_multiple_is_the_least_shift_that_changes_nothing(
    kind: str, change: dict[str, Any]
) -> None:
    config = smooth(kind, **change)
    if config.size((1, 8, 8)) is not None:
        assert config.multiple == 1
        return
    steps = [step for step in range(1, config.multiple + 1) if shifts_with(config, step)]
    assert steps == [config.multiple]


@pytest.mark.parametrize(
    ("kind", "change", "shape"),
    [
        (kind, change, shape)
        for (kind, change), shape in product(OWN, SHAPES)
        if refusal(kind_config(kind, **change), shape) is None
    ],
    ids=name_of,
)
def test_nothing_is_padded_further_than_to_the_multiple(
    kind: str, change: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    config, size = smooth(kind, **change), shape[1:]
    padded = tuple(up(side, config.multiple) for side in size)
    assert all(wide < 2 * side for wide, side in zip(padded, size, strict=True))
    seen: list[tuple[int, ...]] = []
    model = build_model(config, shape)
    for layer in model.net.modules():
        layer.register_forward_pre_hook(
            lambda _, inputs: seen.extend(tuple(x.shape[2:]) for x in inputs if x.ndim == 4)
        )
    model(torch.rand(1, *shape))
    assert seen[0] == padded
    assert max(height for height, _ in seen) == padded[0]
    assert max(width for _, width in seen) == padded[1]


# ---- tiles -----------------------------------------------------------------------------


@own
def test_tiles_have_no_seams_or_it_says_so(kind: str, change: dict[str, Any]) -> None:
    """A tall image and a wide one, of more tiles than one, against the image in one go."""
    config = smooth(kind, **change, output="sigmoid", normalization="batch")
    denoiser = loaded(config, (1, 16, 16))
    if denoiser.size is not None:
        assert denoiser.size == (16, 16)
        return
    assert not denoiser.whole_image
    side = up(max(64, 8 * config.multiple, 4 * denoiser.reach), config.multiple)
    narrow = up(8, config.multiple)
    budget = side * narrow * pixel_bytes(config, 1)
    for size in ((2 * side + 13, narrow - 1), (narrow - 1, 2 * side + 13)):
        image = noise(1, 1, *size).float()
        assert plan_tiles(denoiser, *size, batch=1, budget=budget).tiled
        tiled = restore_stored(
            denoiser, image.numpy(), ValueRange(0.0, 1.0), batch=1, budget=budget
        )
        whole = denoiser.restore(image).numpy()
        assert whole.std() > 1e-3
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_maps_of_a_tile_are_about_those_of_its_largest_layer(kind: str) -> None:
    """No layer's input and output together are more, and nothing is planned for many times that."""
    for channels in (1, 3):
        config = smooth(kind)
        model = build_model(config, (channels, 64, 64)).eval()
        most = [0.0]

        def note(_: Any, inputs: Any, output: Any, most: list[float] = most) -> None:
            values = sum(x.numel() for x in inputs) + output.numel()
            most[0] = max(most[0], values / 64**2)

        for layer in model.modules():
            if not list(layer.children()) and not isinstance(layer, nn.Flatten):
                layer.register_forward_hook(note)
        model(torch.rand(1, channels, 64, 64))
        assert most[0] <= config.maps(channels) <= 8 * most[0]


# ---- bottleneck ------------------------------------------------------------------------


def rank_of(config: ModelConfig, shape: tuple[int, int, int]) -> int:
    """In how many directions what is restored can move: no more than the narrowest place lets."""
    model = lively(config, shape)
    jacobian: Any = torch.autograd.functional.jacobian(model, noise(1, *shape))
    values = torch.linalg.svdvals(jacobian.reshape(noise(*shape).numel(), -1))
    return int((values > 1e-12 * values[0]).sum())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 9, 7), (3, 8, 5)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_bottleneck_is_what_can_pass(kind: str, shape: tuple[int, int, int]) -> None:
    wider = smooth(kind).wider
    if wider is None:
        config = smooth(kind)
        assert config.bottleneck(shape) is None
        assert rank_of(config, shape) == shape[0] * shape[1] * shape[2]
        return
    for width in (1, 2):
        config = smooth(kind, **{wider.field: width})
        assert rank_of(config, shape) == config.bottleneck(shape)
