from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from denoise.examples import fresh
from scipy.ndimage import gaussian_filter

from autoencoder_hpo.bundle.denoiser import LoadedDenoiser
from autoencoder_hpo.denoise.plan import pixel_bytes, plan_tiles
from autoencoder_hpo.denoise.restoring import channel_remark, restore_stored
from autoencoder_hpo.denoise.value_range import ValueRange, find_span
from autoencoder_hpo.errors import DataError

UNIT = ValueRange(0.0, 1.0)
Photo = Callable[..., Any]


def budget_for(denoiser: LoadedDenoiser, side: int) -> int:
    """So little that tiles have this side."""
    return side * side * pixel_bytes(denoiser.config.config.model, denoiser.channels)


def tiled(denoiser: LoadedDenoiser, image_HW: Any, side: int, **more: Any) -> Any:
    budget = budget_for(denoiser, side)
    return restore_stored(denoiser, image_HW[None, None], UNIT, budget=budget, **more)[0, 0]


def at_once(denoiser: LoadedDenoiser, image_HW: Any) -> Any:
    return denoiser.restore(torch.from_numpy(image_HW)[None, None])[0, 0].numpy()


CONVOLUTIONAL = [
    ("unet", {"depth": 1}),
    ("unet", {"depth": 2}),
    ("unet", {"depth": 2, "normalization": "batch", "output": "sigmoid"}),
    ("conv", {"depth": 1, "kernel": 5, "output": "residual"}),
    ("conv", {"depth": 2, "output": "linear"}),
]


@pytest.mark.parametrize(("kind", "model"), CONVOLUTIONAL)
@pytest.mark.parametrize("size", [(301, 257), (129, 400), (64, 333)])
def test_tiles_give_what_the_whole_image_gives(
    kind: str, model: dict[str, Any], size: tuple[int, int], noisy: Photo
) -> None:
    denoiser = fresh(kind, **model)
    image = noisy(*size).astype(np.float32) / 255
    assert plan_tiles(denoiser, *size, batch=1, budget=budget_for(denoiser, 136)).tiled
    difference = np.abs(tiled(denoiser, image, 136) - at_once(denoiser, image))
    assert difference.max() <= 1e-5


def test_a_reach_that_is_stated_too_small_would_be_seen(noisy: Photo) -> None:
    class Shortsighted(LoadedDenoiser):
        reach = 2  # type: ignore[assignment]

    real = fresh("unet", depth=2)
    image = noisy(301, 257).astype(np.float32) / 255
    wrong = Shortsighted(real.config, real.model, real.device)
    assert np.abs(tiled(wrong, image, 136) - at_once(real, image)).max() > 1e-4


def test_batches_of_tiles_change_nothing(noisy: Photo) -> None:
    image = noisy(150, 90).astype(np.float32) / 255
    for denoiser in (fresh("mlp"), fresh("unet", depth=1)):
        one, many = (restore_stored(denoiser, image[None, None], UNIT, batch=n) for n in (1, 7))
        np.testing.assert_allclose(one, many, atol=1e-6)


def smooth_mlp() -> LoadedDenoiser:
    """An mlp whose answers are smooth inside a tile, as those of a trained one are."""
    denoiser = fresh("mlp")
    out = denoiser.model.net.out
    with torch.no_grad():
        for values in (out.weight.T.view(-1, 32, 32), out.bias.view(1, 32, 32)):
            values.copy_(5 * torch.from_numpy(gaussian_filter(values.numpy(), (0, 4, 4))))
    return denoiser


def seam(restored: Any, places: list[int]) -> tuple[float, float]:
    """The largest mean step between neighbouring columns: at these places, and elsewhere."""
    steps = np.abs(np.diff(restored, axis=1)).mean(0)
    there = np.zeros(len(steps), bool)
    there[[place - 1 for place in places]] = True
    return float(steps[there].max()), float(np.delete(steps, np.flatnonzero(there)).max())


@pytest.mark.parametrize(
    ("denoiser", "side"),
    [
        (smooth_mlp(), 32),
        (fresh("unet", depth=4), 128),  # whose reach is more than a quarter of a tile
        (fresh("unet", depth=1, normalization="group"), 72),
    ],
)
def test_no_seam_is_seen_where_tiles_meet(
    denoiser: LoadedDenoiser, side: int, noisy: Photo
) -> None:
    image = noisy(200, 211).astype(np.float32) / 255
    columns = plan_tiles(denoiser, 200, 211, batch=1, budget=budget_for(denoiser, side)).columns
    borders = {*columns.starts[1:], *(start + columns.side for start in columns.starts[:-1])}
    at, elsewhere = seam(tiled(denoiser, image, side), sorted(borders))
    assert at <= 1.05 * elsewhere


def test_tiles_side_by_side_would_show_a_seam(noisy: Photo) -> None:
    denoiser = smooth_mlp()
    image = noisy(192, 192).astype(np.float32) / 255
    side_by_side = np.block(
        [
            [
                at_once(denoiser, np.ascontiguousarray(image[y : y + 32, x : x + 32]))
                for x in range(0, 192, 32)
            ]
            for y in range(0, 192, 32)
        ]
    )
    at, elsewhere = seam(side_by_side, list(range(32, 192, 32)))
    assert at > 3 * elsewhere


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (31, 64), (33, 1), (3, 200)])
@pytest.mark.parametrize(
    ("kind", "model"), [("mlp", {}), ("unet", {"depth": 3}), ("conv", {"depth": 2})]
)
def test_images_smaller_than_a_tile_or_the_networks_multiple(
    kind: str, model: dict[str, Any], size: tuple[int, int], noisy: Photo
) -> None:
    denoiser = fresh(kind, **model)
    image = noisy(*size)
    restored = restore_stored(denoiser, image[None, None], ValueRange(0, 255))
    assert restored.shape == (1, 1, *size)
    assert restored.dtype == np.uint8
    if kind != "mlp":
        expected = at_once(denoiser, image.astype(np.float32) / 255) * 255
        np.testing.assert_allclose(restored[0, 0], expected, atol=0.51)


def test_an_mlp_restores_an_image_of_its_size_as_it_is(noisy: Photo) -> None:
    denoiser = fresh("mlp")
    image = noisy(32, 32).astype(np.float32) / 255
    np.testing.assert_allclose(tiled(denoiser, image, 32), at_once(denoiser, image), atol=1e-6)


def test_feature_vectors_are_restored_row_by_row() -> None:
    denoiser = fresh("mlp", shape=(1, 1, 12))
    rows = np.random.default_rng(0).random((7, 12), np.float32)
    expected = denoiser.restore(torch.from_numpy(rows)[:, None, None])[:, 0, 0].numpy()
    np.testing.assert_allclose(tiled(denoiser, rows, 32), expected, atol=1e-6)


def test_a_stack_of_images_is_restored_one_by_one(noisy: Photo) -> None:
    denoiser = fresh("unet", depth=1)
    stack = noisy(90, 40).reshape(3, 1, 30, 40)
    shares: list[float] = []
    together = restore_stored(denoiser, stack, ValueRange(0, 255), batch=2, progress=shares.append)
    for image, restored in zip(stack, together, strict=True):
        alone = restore_stored(denoiser, image[None], ValueRange(0, 255))[0]
        assert np.abs(restored.astype(int) - alone).max() <= 1
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_each_channel_by_itself_for_a_grey_model(noisy: Photo) -> None:
    denoiser = fresh("unet", depth=1)
    color = noisy(60, 50, color=True).transpose(2, 0, 1)
    together = restore_stored(denoiser, color[None], ValueRange(0, 255))[0]
    for channel, restored in zip(color, together, strict=True):
        alone = restore_stored(denoiser, channel[None, None], ValueRange(0, 255))[0, 0]
        assert np.abs(restored.astype(int) - alone).max() <= 1
    assert "each is restored by itself" in (channel_remark(3, denoiser) or "")


def test_a_grey_image_through_an_rgb_model_is_averaged(noisy: Photo) -> None:
    denoiser = fresh("unet", depth=1, shape=(3, 32, 32))
    grey = noisy(60, 50).astype(np.float32) / 255
    thrice = torch.from_numpy(grey).expand(1, 3, 60, 50)
    restored = restore_stored(denoiser, grey[None, None], UNIT)[0, 0]
    np.testing.assert_allclose(restored, denoiser.restore(thrice)[0].mean(0), atol=1e-6)
    assert "averaged" in (channel_remark(1, denoiser) or "")


def test_other_channels_are_refused() -> None:
    with pytest.raises(DataError, match="5 channels, but the denoiser takes 3"):
        channel_remark(5, fresh(shape=(3, 32, 32)))
    assert channel_remark(3, fresh(shape=(3, 32, 32))) is None


# ---- spans -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_values_survive_the_way_there_and_back(dtype: type) -> None:
    values = (np.arange(256) if dtype == np.uint8 else np.arange(65536)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        values /= 65535
    span, remark = find_span(fresh().config, values[None])
    assert remark is None
    back = span.to_stored(span.to_unit(values), values.dtype)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, values, atol=0 if values.dtype.kind == "u" else 1e-7)


def test_a_study_scaled_by_extremes_scales_by_them_again() -> None:
    past = fresh(scale="minmax", low=10, high=60).config
    span, remark = find_span(past, np.array([[10, 60]], np.int32))
    assert (span.low, span.high, remark) == (10, 60, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.0, 4095.0], "scaled by its own extremes"),
        ([0.5, 0.52], "so narrow a range"),
        ([700.0, 700.0], "scaled by its own extremes"),
    ],
)
def test_another_range_is_remarked(values: list[float], said: str) -> None:
    span, remark = find_span(fresh().config, np.array([values], np.float32))
    assert remark is not None
    assert said in remark
    assert np.isfinite(span.to_unit(np.array(values))).all()


@pytest.mark.parametrize("clip", [True, False])
def test_noise_beyond_the_range_is_clipped_as_it_was_in_training(clip: bool) -> None:
    values = np.array([[-0.2, 1.3]], np.float32)
    span, remark = find_span(fresh(clip=clip).config, values)
    assert remark is None
    np.testing.assert_allclose(span.to_unit(values), [[0, 1]] if clip else values, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0.1, np.nan, np.inf]]), "2 pixels are NaN or infinite"),
        (np.array([[1, 2]]), "int64 pixels have no natural range"),
    ],
)
def test_values_that_cannot_be_restored(values: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        find_span(fresh().config, values)
