"""When a search comes to a standstill: what counts as progress, and how long there was none."""

import math
from collections.abc import Sequence

LEAST_MSE = 1e-10
PROGRESS_DB = 0.05
"""A better best by less is no progress: another seed moves a trial's score by more."""


def decibel(value: float, objective: str) -> float:
    """The objective in dB, where more is better; an MSE as 10·log10(1 / MSE)."""
    return value if objective == "val_psnr" else -10 * math.log10(max(value, LEAST_MSE))


def without_progress(levels: Sequence[float | None]) -> int:
    """How many trials have ended since the best one was last bettered by `PROGRESS_DB`.

    `levels`: of the trials that ended, in the order of their numbers, in dB; None: it was pruned.
    """
    best, since = -math.inf, 0
    for level in levels:
        since += 1
        if level is not None and level > best + PROGRESS_DB:
            best, since = level, 0
    return since
