"""When a search comes to a standstill: what counts as progress, and how long there was none."""

import math
from collections.abc import Sequence


def without_progress(levels: Sequence[float | None], *, step: float) -> int:
    """How many trials have ended since the best one was last bettered by a step, in dB.

    `levels`: of the trials that ended, in the order of their numbers, in dB; None: it was pruned.
    """
    best, since = -math.inf, 0
    for level in levels:
        since += 1
        if level is not None and level > best + step:
            best, since = level, 0
    return since
