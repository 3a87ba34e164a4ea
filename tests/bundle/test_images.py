"""Images of users: every kind, shape and type comes back as it went in."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from bundles import MODELS, finished, images, restored_by
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from autoencoder_hpo.bundle import LoadedDenoiser
from autoencoder_hpo.errors import DataError

SHAPE = (1, 8, 8)


def denoiser(
    model: str = "conv", shape: tuple[int, int, int] = SHAPE, **stored: Any
) -> LoadedDenoiser:
    made = finished(MODELS[model], shape, **stored)
    return LoadedDenoiser(made.config, made.model.eval().requires_grad_(False), torch.device("cpu"))


GREY, RGB, MLP = denoiser(), denoiser(shape=(3, 8, 8)), denoiser("mlp", (1, 6, 7))

SIDES = st.integers(1, 13)
DTYPES = st.sampled_from(["uint8", "uint16", "float16", "float32", "float64", ">u2", ">f4"])


@st.composite
def pictures(draw: st.DrawFn) -> tuple[LoadedDenoiser, np.ndarray[Any, Any]]:
    """A denoiser and images that it takes."""
    used = draw(st.sampled_from([GREY, RGB, MLP]))
    size = used.size or (draw(SIDES), draw(SIDES))
    some = st.integers(0, 3)
    grey = st.one_of(st.just(()), some.map(lambda n: (n,)), some.map(lambda n: (n, 1)))
    colour = st.one_of(st.just((3,)), some.map(lambda n: (n, 3)))
    shape = (*draw(colour if used is RGB else grey), *size)
    dtype = np.dtype(draw(DTYPES))
    elements = {"min_value": 0, "max_value": 1} if dtype.kind == "f" else None
    return used, draw(arrays.arrays(dtype, shape, elements=elements, fill=st.nothing()))


@settings(max_examples=120, deadline=None)
@given(pictures(), st.sampled_from(["array", "strided", "frozen", "tensor"]))
def test_images_come_back_as_what_they_were(
    given_: tuple[LoadedDenoiser, np.ndarray[Any, Any]], kind: str
) -> None:
    used, array = given_
    before = array.copy()
    if kind == "tensor":
        native = array.astype(array.dtype.newbyteorder("="))
        result = used(torch.from_numpy(native)).numpy()
    else:
        shown = array if kind != "strided" else np.repeat(array, 2, axis=-1)[..., ::2]
        shown.flags.writeable = kind != "frozen"
        result = used(shown)
    assert result.shape == array.shape
    assert result.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert kind == "tensor" or result.dtype == array.dtype
    assert np.array_equal(array, before)
    scale = 1.0 if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    noisy = torch.from_numpy((before.astype("f8") / scale).astype("f4"))
    wanted = (
        restored_by(used.model, noisy.reshape(-1, used.channels, *array.shape[-2:])).numpy()
        if array.size
        else before
    )
    step = {"f2": 1e-3, "f4": 1e-6, "f8": 1e-6, "u1": 0.51 / 255, "u2": 0.51 / 65535 + 1e-6}
    difference = np.abs(result.astype("f8").ravel() / scale - wanted.ravel())
    assert difference.max(initial=0) <= step[array.dtype.str[1:]]


def test_a_batch_is_restored_in_parts_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = images(5, 3, 9, 10)
    whole = RGB(noisy)
    monkeypatch.setattr("autoencoder_hpo.bundle.denoiser.AT_ONCE", 200)
    torch.testing.assert_close(RGB(noisy), whole)
    assert whole.is_contiguous()


# ---- stored values ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
def test_with_minmax_every_value_is_as_it_was_stored(dtype: str) -> None:
    used = denoiser(scale="minmax", low=100.0, high=4100.0)
    noisy = np.random.default_rng(0).integers(100, 4100, (2, 8, 8)).astype(dtype)
    wanted = restored_by(used.model, torch.from_numpy((noisy.astype("f4") - 100) / 4000)[:, None])
    restored = used(noisy)
    assert restored.dtype == noisy.dtype
    np.testing.assert_allclose(restored, wanted[:, 0].numpy() * 4000 + 100, atol=0.51)
    assert restored.min() >= 100


def test_a_type_that_cannot_hold_the_stored_values_is_refused() -> None:
    used = denoiser(scale="minmax", low=-3.0, high=4100.0)
    for dtype in ("uint8", "uint16", "int8"):
        with pytest.raises(DataError, match=f"images are {dtype}, which cannot hold .* -3 to 4100"):
            used(np.zeros((8, 8), dtype))
    with pytest.raises(DataError, match="images are bool; give floats or integers"):
        used(np.zeros((8, 8), bool))


def test_values_that_are_probably_on_another_scale_are_warned_of() -> None:
    stored = denoiser(scale="minmax", low=100.0, high=4100.0)
    unit = np.random.default_rng(0).random((8, 8))
    with pytest.warns(UserWarning, match=r"trained on values from 100 to 4100 as they") as caught:
        stored(unit)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="most values are far from 0 to 1"):
        GREY(unit * 255)
    with pytest.warns(UserWarning, match="most values are far from 100 to 4100"):
        stored((unit * 65535).astype(np.uint16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GREY(unit + np.random.default_rng(1).normal(0, 1, (8, 8)))  # noise that was not clipped
        stored(100 + unit * 4000)


# ---- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gap_is_refused_where_it_is(wrap: Callable[[Any], Any], value: float) -> None:
    noisy = np.zeros((3, 8, 8), np.float32)
    noisy[1, 2, 7] = noisy[2, 0, 0] = value
    with pytest.raises(DataError, match=rf"images\[1, 2, 7\] is {value}; replace what is not"):
        GREY(wrap(noisy))
    with pytest.raises(DataError, match=rf"images\[1, 0, 2, 7\] is {value}"):
        GREY.restore(torch.from_numpy(noisy[:, None]))


@pytest.mark.parametrize(
    ("used", "shape", "reason"),
    [
        (GREY, (8,), r"shape \[8\]; this denoiser takes \[H,W\], \[N,H,W\] or \[N,1,H,W\]"),
        (GREY, (2, 3, 8, 8), r"shape \[2, 3, 8, 8\]"),
        (GREY, (8, 8, 1, 1, 1), "shape"),
        (GREY, (0, 8), "images of 0×8 have no pixels"),
        (RGB, (8, 8), r"takes \[3,H,W\] or \[N,3,H,W\]$"),
        (RGB, (8, 8, 3), "move the channels forward"),
        (RGB, (2, 8, 8, 3), "move the channels forward"),
        (MLP, (7, 6), "images of 7×6: this denoiser, an mlp, takes 6×7 only"),
    ],
)
def test_another_shape_is_refused(
    used: LoadedDenoiser, shape: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        used(np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint32", "int64", "complex64", "O", "U3"])
def test_another_type_is_refused(dtype: str) -> None:
    with pytest.raises(DataError, match=r"give floats in \[0, 1\], uint8 or uint16"):
        GREY(np.zeros((8, 8), dtype))
    with pytest.raises(DataError, match="images are a list; give a numpy array or a tensor"):
        GREY([[0.5]])  # type: ignore[type-var]


def test_restore_takes_batches_only() -> None:
    with pytest.raises(DataError, match=r"shape \[8, 8\]; restore takes \[N,1,H,W\]"):
        GREY.restore(torch.zeros(8, 8))
    assert GREY.restore(torch.zeros(0, 1, 8, 8)).shape == (0, 1, 8, 8)


# ---- how far a pixel sees -----------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        {"kind": kind, "depth": depth, "channels": 2, "growth": 1, "activation": "tanh", **more}
        for depth in (1, 2, 3)
        for kind, more in [
            ("conv", {"kernel": 3}),
            ("conv", {"kernel": 7}),
            ("unet", {"normalization": "batch"}),
        ]
    ],
    ids=str,
)
def test_nothing_beyond_its_reach_changes_a_pixel(model: dict[str, Any]) -> None:
    made = finished({**model, "output": "linear"}, (1, 16, 16))
    used = LoadedDenoiser(made.config, made.model.double().eval(), torch.device("cpu"))
    side = 2 * used.reach + 5 * used.multiple + 3
    farthest = 0
    for offset in range(used.multiple):
        noisy = images(1, 1, side, side).double().requires_grad_()
        middle = side // 2 + offset
        used.model(noisy)[0, 0, middle, middle].backward()
        assert noisy.grad is not None
        rows = noisy.grad[0, 0].abs().amax(1).nonzero().flatten()
        farthest = max(farthest, int((rows - middle).abs().max()))
    assert used.reach - 3 * used.multiple <= farthest <= used.reach


def test_what_tiling_needs_to_know() -> None:
    known = [(used.size, used.multiple, used.whole_image) for used in (GREY, RGB, MLP)]
    assert known == [(None, 4, False), (None, 4, False), ((6, 7), 1, False)]
    layered = finished({**MODELS["unet"], "normalization": "layer"}, SHAPE)
    assert LoadedDenoiser(layered.config, layered.model, torch.device("cpu")).whole_image
    assert (RGB.channels, MLP.reach) == (3, 7)
