"""Denoisers of before restore what they restored, and what their graphs restore."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from before.machine import machine
from before.stored import FILES, SAID, bundle, read
from before.studies import BUNDLES
from support import Ended

SAME = read(SAID)["machine"] == machine()


@pytest.mark.parametrize("kind", BUNDLES)
@pytest.mark.parametrize("images", ["small", "large"])
def test_a_bundle_of_before_restores_what_it_restored(
    kind: str, images: str, call: Callable[..., Ended]
) -> None:
    """Elsewhere than on the machine that recorded it, to float32's last digits."""
    noisy = FILES / f"{kind}-{images}.npy"
    out = call("denoise", str(bundle(kind)), str(noisy), "now.npy", "--device", "cpu").good()
    assert "restored 1 of 1 image" in out
    now, then = np.load("now.npy"), np.load(FILES / f"{kind}-{images}.restored.npy")
    assert now.dtype == then.dtype
    assert now.shape == then.shape
    if SAME:
        np.testing.assert_array_equal(now, then)
    last = 1 if images == "large" else 16 * 1e-5  # of bytes, and of values from 0 to 16
    assert np.abs(now.astype(float) - then).max() <= last
    if images == "small":
        graph = onnxruntime.InferenceSession(str(Path(bundle(kind), "model.onnx")))
        (by_graph,) = graph.run(None, {"noisy": np.load(noisy)[:, None] / 16})
        np.testing.assert_allclose(16 * by_graph[:, 0], now, atol=16 * 1e-4, rtol=0)
