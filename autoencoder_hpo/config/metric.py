"""What a search can improve: the one place that knows which of two values is better.

A metric is one row of `Metric`. What computes it from images is in `training.metrics`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, Self, TypeVar

LEAST = 1e-10
"""Below it an error is none: 100 dB."""


class Amount(Protocol):
    """A number, or an array of them."""

    def __sub__(self, other: Self, /) -> Self: ...


A = TypeVar("A", bound=Amount)


class Result(Protocol):
    """Scores of an epoch, or of a trial: fields of these names, and what was measured besides."""

    @property
    def also(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All that follows from a metric. Nothing has a default: a new metric says all of it.

    Attributes:
        maximize: whether more is better.
        decibel: a map to dB where more is better, in which trials are compared; it rises for a
            metric that is maximized and falls for one that is minimized.
        step: dB below which a better best is no progress: another seed moves a score by as much.
        short: its name in tables and at axes.
        digits, unit: how a value is written.
        shown: the metric in which people see it: its own name, or another's.
        lowest: values beyond are drawn here, so that one that diverged leaves others their room.
        in_unit: whether it needs restored pixels in [0, 1].
        least_side: pixels that both sides of the images must have.
    """

    maximize: bool
    decibel: Callable[[float], float]
    step: float
    short: str
    digits: int
    unit: str
    shown: str
    lowest: float
    in_unit: bool
    least_side: int


def _of_error(error: float) -> float:
    """10·log10(1 / error): of an MSE, its PSNR."""
    return -10 * math.log10(max(error, LEAST))


def _of_likeness(likeness: float) -> float:
    """10·log10(1 / (1 - SSIM)), as codecs report it (x264; Ballé et al., 2018)."""
    return _of_error(1 - likeness)


class Metric(StrEnum):
    """A score of restored validation images against the clean ones.

    `val_mse` is over all pixels; the others are means over images. See docs/scores.md.

    Steps are measured: an mlp and a unet on digits under two strengths of noise, five seeds each.
    Two seeds are apart by 0.06 to 0.10 dB of PSNR or MSE, 0.07 to 0.13 dB of SSIM, and 0.014 to
    0.026 dB of BCE, which counts what even a perfect restoration has: the entropy of grey pixels.
    """

    VAL_MSE = "val_mse", Row(
        maximize=False, decibel=_of_error, step=0.05,
        short="MSE", digits=5, unit="", shown="val_psnr", lowest=-math.inf,
        in_unit=False, least_side=1,
    )  # fmt: skip
    VAL_PSNR = "val_psnr", Row(
        maximize=True, decibel=float, step=0.05,
        short="PSNR", digits=2, unit=" dB", shown="val_psnr", lowest=0.0,
        in_unit=False, least_side=1,
    )  # fmt: skip
    VAL_SSIM = "val_ssim", Row(
        maximize=True, decibel=_of_likeness, step=0.05,
        short="SSIM", digits=4, unit="", shown="val_ssim", lowest=-math.inf,
        in_unit=False, least_side=3,
    )  # fmt: skip
    VAL_BCE = "val_bce", Row(
        maximize=False, decibel=_of_error, step=0.01,
        short="BCE", digits=5, unit="", shown="val_bce", lowest=-math.inf,
        in_unit=True, least_side=1,
    )  # fmt: skip

    _row: Row

    def __new__(cls, name: str, row: Row | None = None) -> Self:
        if row is None:  # `Metric("val_mse")` gives one argument, and never comes here
            raise TypeError(f"{name}: a metric is a name and a row")
        member = str.__new__(cls, name)
        member._value_ = name
        member._row = row
        return member

    # ---- which is better ---------------------------------------------------------------

    @property
    def maximize(self) -> bool:
        return self._row.maximize

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """As Optuna calls it."""
        return "maximize" if self.maximize else "minimize"

    @property
    def better(self) -> Literal["higher", "lower"]:
        return "higher" if self.maximize else "lower"

    @property
    def best_end(self) -> Literal["highest", "lowest"]:
        return "highest" if self.maximize else "lowest"

    def rank(self, value: float) -> float:
        """For `sorted` and `min`: the better, the lower."""
        return -value if self.maximize else value

    def best(self, values: Iterable[float]) -> float | None:
        """The best of these; None where there are none."""
        return min(values, key=self.rank, default=None)

    def best_so_far(self, values: Iterable[float]) -> list[float]:
        """The best of each value and those before it."""
        found: list[float] = []
        for value in values:
            before = found[-1] if found else value
            found.append(before if self.rank(before) <= self.rank(value) else value)
        return found

    def ahead(self, one: A, other: A) -> A:
        """By how much the first is better; below 0 it is worse."""
        return one - other if self.maximize else other - one

    def decibel(self, value: float) -> float:
        """The value in dB, where more is better."""
        return self._row.decibel(value)

    @property
    def step(self) -> float:
        """In dB; a better best by less is no progress: another seed moves a score by as much."""
        return self._row.step

    # ---- where it stands ---------------------------------------------------------------

    @property
    def key(self) -> str:
        """Its name where validation goes without saying, such as `psnr`."""
        return self.value.removeprefix("val_")

    def of(self, result: Result) -> float:
        """The value of an epoch or of a trial's scores. Raises ValueError: it was not measured."""
        value = result.also.get(self.value, getattr(result, self.value, None))
        if value is None:
            raise ValueError(f"{self.value} was not measured")
        return float(value)

    def found_in(self, result: Result | None) -> float | None:
        """The same; None where it was not measured."""
        try:
            return None if result is None else self.of(result)
        except ValueError:
            return None

    # ---- how it is said ----------------------------------------------------------------

    @property
    def shown(self) -> "Metric":
        """In which people see it: PSNR says more than an MSE of 0.00912."""
        return Metric(self._row.shown)

    @property
    def short(self) -> str:
        return self._row.short

    @property
    def label(self) -> str:
        return f"validation {self.short}"

    @property
    def axis(self) -> str:
        """What stands at an axis: the unit where it has one."""
        return self._row.unit.strip() or self.short

    @property
    def heading(self) -> str:
        """Its name, with its unit where it has one."""
        unit = self._row.unit.strip()
        return f"{self.short} ({unit})" if unit else self.short

    @property
    def seen_as_psnr(self) -> bool:
        return self.shown is Metric.VAL_PSNR

    @property
    def lowest(self) -> float:
        """Values below are drawn here."""
        return self._row.lowest

    def height(self, value: float) -> float:
        """Where a value stands in a plot: one that diverged leaves the others their room."""
        return round(max(value, self._row.lowest), self._row.digits + 1)

    def digits(self, value: float, *, signed: bool = False, more: int = 0) -> str:
        """A value without its unit; `more`: digits than usual."""
        return f"{value:{'+' if signed else ''}.{self._row.digits + more}f}"

    def said(self, value: float | None, *, signed: bool = False, more: int = 0) -> str:
        """A value with its unit, in a column of its own."""
        if value is None:
            return "–"
        return self.digits(value, signed=signed, more=more) + self._row.unit

    def named(self, value: float | None) -> str:
        """A value in a sentence: its unit or its name says what it is."""
        return self.said(value) if self._row.unit else f"{self.short} {self.said(value)}"

    def by(self, difference: float) -> str:
        """A difference of two values in a sentence."""
        return (
            self.said(difference) if self._row.unit else f"{self.said(difference)} of {self.short}"
        )

    @property
    def distance_unit(self) -> str:
        """Of a difference of `decibel`."""
        return "dB" if self.seen_as_psnr else f"dB of {self.short}"

    def apart(self, decibels: float) -> str:
        """A difference of `decibel`, as people read it."""
        return f"{decibels:.2f} {self.distance_unit}"

    # ---- what it needs -----------------------------------------------------------------

    def refuses_output(self, output: str) -> str | None:
        """Why a model with this output cannot be measured; None where it can."""
        if not self._row.in_unit or output == "sigmoid":
            return None
        return (
            f"is {output}; search.objective {self.value} needs restored pixels in [0, 1]: "
            "set output: sigmoid, or another objective"
        )

    def refuses_shape(self, shape: Sequence[int]) -> str | None:
        """Why images of [..., height, width] cannot be measured; None where they can."""
        height, width = shape[-2:]
        least = self._row.least_side
        if min(height, width) >= least:
            return None
        return (
            f"{self.value} needs images of {least}×{least} pixels or more, and these have "
            f"{height}×{width}; use another objective"
        )
