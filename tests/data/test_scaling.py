"""Scaling as a search sees it: through load_search_data."""

import numpy as np
import pytest
import torch

from autoencoder_hpo.data.splits import load_test_images
from autoencoder_hpo.errors import DataError


@pytest.fixture
def load_array(tmp_path, load):
    def save_and_load(values, **data):
        np.save(tmp_path / "a.npy", values)
        return load("array", path="a.npy", **data)

    return save_and_load


def everything(data):
    return torch.cat([data.train.clean, data.validation.clean])


def ramp(dtype, *, count=50):
    """Each image is constant; image i has the value i."""
    return np.arange(count).astype(dtype)[:, None, None] * np.ones((1, 2, 2), dtype)


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_unsigned_integers_are_divided_by_their_range(load_array, dtype, full):
    values = np.full((10, 2, 2), full, dtype)
    values[:, 0, 0] = full // 5
    data = load_array(values)
    assert data.train.clean.dtype == torch.float32
    assert torch.equal(data.train.clean[0, 0], torch.tensor([[0.2, 1], [1, 1]]))


def test_digits_are_divided_by_sixteen(load):
    assert set(everything(load("digits")).unique().tolist()) == {i / 16 for i in range(17)}


def test_true_is_one(load_array):
    assert everything(load_array(ramp(bool))).unique().tolist() in ([0, 1], [1])


def test_floats_in_range_stay(load_array):
    values = np.random.default_rng(0).random((9, 4, 4)).astype(np.float32)
    assert set(everything(load_array(values)).flatten().tolist()) <= set(values.flatten().tolist())


def test_floats_outside_need_minmax(load_array):
    with pytest.raises(
        DataError, match=r"values reach from 0 to 49, not from 0 to 1; set data.scale: minmax"
    ):
        load_array(ramp(np.float32))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_integers_without_a_range_need_minmax(load_array, dtype):
    with pytest.raises(DataError, match=r"no natural range; set data.scale: minmax"):
        load_array(ramp(dtype))
    assert everything(load_array(ramp(dtype), scale="minmax")).max() == 1


def test_minmax_is_fitted_on_training_images_and_clamps_the_others(load_array):
    values = ramp(np.float64) - 20
    data = load_array(values, scale="minmax", train=5)
    low, high = data.scaling.low.item(), data.scaling.high.item()
    assert (data.train.clean.min(), data.train.clean.max()) == (0, 1)
    assert values.min() < low < high < values.max()
    expected = sorted(
        {float(np.float32(np.clip((v - low) / (high - low), 0, 1))) for v in values[:, 0, 0]}
    )
    assert set(data.validation.clean.unique().tolist()) <= set(expected)
    assert {0.0, 1.0} & set(data.validation.clean.unique().tolist())


def test_minmax_scales_columns_of_vectors_each_by_itself(load_array):
    columns = np.random.default_rng(0).random((60, 3)) * [1, 1000, 0] + [-5, 0, 7]
    data = load_array(columns, scale="minmax")
    assert data.train.clean.amin(0).flatten().tolist() == [0, 0, 0]
    assert data.train.clean.amax(0).flatten().tolist() == [1, 1, 0]  # a constant column becomes 0


def test_minmax_of_constant_images_is_zero(load_array):
    assert everything(load_array(np.full((9, 3, 3), 4.0), scale="minmax")).unique().tolist() == [0]


def test_missing_values_become_the_training_mean_of_their_place(load_array):
    values = np.random.default_rng(0).random((40, 3, 3))
    holes = values.copy()
    holes[::2, 1, 1] = np.nan
    holes[3, 0, 0] = -np.inf
    holes[:, 2, 2] = np.nan
    plain, filled = load_array(values), load_array(holes, missing="mean")
    finite = filled.train.clean[:, 0, 2, 2]
    assert finite.unique().tolist() == [0]  # no image knows this place
    known = [
        v
        for v in plain.train.clean[:, 0, 1, 1].tolist()
        if v in set(np.float32(values[1::2, 1, 1]).tolist())
    ]
    got = set(filled.train.clean[:, 0, 1, 1].tolist()) - set(known)
    assert [*got] == [pytest.approx(np.mean(known), rel=1e-6)]
    assert (
        set(filled.validation.clean[:, 0, 1, 1].tolist())
        - set(np.float32(values[:, 1, 1]).tolist())
        == got
    )


def test_missing_values_become_zero(load_array):
    values = np.full((40, 3, 3), 0.5)
    values[:, 1, 1] = np.nan
    data = load_array(values, missing="zero")
    assert everything(data)[:, 0, 1, 1].unique().tolist() == [0]
    assert everything(data)[:, 0, 0, 0].unique().tolist() == [0.5]


def test_missing_values_and_minmax_go_together(load_array):
    values = ramp(np.float32)
    values[::3, 0, 0] = np.nan
    data = load_array(values, missing="mean", scale="minmax")
    assert everything(data).isfinite().all()
    assert (data.train.clean.min(), data.train.clean.max()) == (0, 1)


def test_test_images_are_scaled_by_the_same_map(load_array, make_task, tmp_path):
    data = load_array(ramp(np.int32), scale="minmax")
    task = make_task("array", path="a.npy", scale="minmax")
    test = load_test_images(task, base=tmp_path, datasets=tmp_path)
    values = torch.cat([everything(data), test.clean])[:, 0, 0, 0]
    low, high = data.scaling.low, data.scaling.high
    expected = ((torch.arange(50) - low) / (high - low)).clamp(0, 1)
    assert torch.allclose(values.sort().values, expected.float(), atol=1e-6)


def test_noisy_partners_get_the_map_of_the_clean_images(load, flat):
    flat("clean", range(50, 150, 10))
    for value in range(50, 150, 10):
        flat("noisy", range(value, value + 1))
        (flat("noisy", range(value + 5, value + 6)) / f"{value + 5:03}.png").rename(
            flat("noisy", range(0)) / f"{value:03}.png"
        )
    data = load("pairs", noisy="noisy", clean="clean", scale="minmax")
    low, high = data.scaling.low, data.scaling.high
    clean, noisy = (images * (high - low) + low for images in (data.train.clean, data.train.noisy))
    assert torch.allclose((clean + 5).clamp(max=high.item()), noisy, atol=1e-3)
    assert data.train.clean.max() == 1
