"""Every training comes to what it came to before, alone and in a stack.

To the last bit on the machine that recorded it, with the same version of torch. Elsewhere within
`TOLERANCE`. It was measured on that machine with instructions of older processors, AVX2 and SSE4.1
(ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_CBWR): float32 then differed by at most 3e-4 of a
value, bfloat16 by 5e-3.
"""

from pathlib import Path
from typing import Any

import pytest
from before.curves import KINDS, Curve, trained
from before.machine import machine
from before.stored import CURVES, read

BEFORE = read(CURVES)
SAME = BEFORE["machine"] == machine()
TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2}


@pytest.mark.parametrize(("model", "optimizer"), KINDS, ids=["-".join(pair) for pair in KINDS])
def test_a_training_comes_to_what_it_came_to_before(
    model: str, optimizer: str, tmp_path: Path
) -> None:
    then, now = BEFORE["curves"][f"{model}-{optimizer}"], trained(model, optimizer, tmp_path)
    if SAME:
        assert now == then
    tolerance = TOLERANCE[KINDS[model, optimizer].precision]
    for one, other in zip(now, then, strict=True):
        assert one.keys() == other.keys()
        for curve in ("alone", "stacked"):
            assert _values(one[curve]) == _close_to(other[curve], tolerance)


def test_every_kind_was_recorded() -> None:
    assert BEFORE["curves"].keys() == {"-".join(pair) for pair in KINDS}


def _values(curve: Curve) -> list[float]:
    return [float.fromhex(value) for epoch in curve for value in epoch]


def _close_to(curve: Curve, tolerance: float) -> Any:
    return pytest.approx(_values(curve), rel=tolerance, abs=0)
