"""What the course of a training says: readings of its curves, without any verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from autoencoder_hpo.training.results import EpochResult

TAIL_SHARE, LEAST_TAIL = 5, 2
"""The end of a training is its last fifth, two epochs at least: one alone may be luck."""
LEAST_RISE = 3
"""Epochs that stay above the best one, for it to be a rise."""
JUMP = 0.1
"""A rise of the validation error by a tenth in one epoch: small sets waver by a few percent."""

CLEAR = 0.02
"""Part of an error, below which a change is none."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Of a trial's finite epochs; at least one."""

    train_loss: Sequence[float]
    val_mse: Sequence[float]
    learning_rate: Sequence[float]

    @classmethod
    def of(cls, epochs: Sequence[EpochResult]) -> "Curve | None":
        """None before the first epoch."""
        if not epochs:
            return None
        return cls(
            [epoch.train_loss for epoch in epochs],
            [epoch.val_mse for epoch in epochs],
            [epoch.learning_rate for epoch in epochs],
        )

    @property
    def epochs(self) -> int:
        return len(self.val_mse)

    @property
    def best(self) -> float:
        return min(self.val_mse)

    @property
    def best_epoch(self) -> int:
        return self.val_mse.index(self.best) + 1

    @property
    def tail(self) -> int:
        """Epochs of its end."""
        return max(LEAST_TAIL, self.epochs // TAIL_SHARE)

    @property
    def idle(self) -> int:
        """Epochs at the end that made the error no better than by `CLEAR`."""
        return next(
            self.epochs - number
            for number, error in enumerate(self.val_mse, 1)
            if error <= (1 + CLEAR) * self.best
        )

    @property
    def rise(self) -> float:
        """By how much all of the last epochs are above the best one, as a part of it."""
        return min(self.val_mse[-max(LEAST_RISE, self.tail) :]) / max(self.best, 1e-12) - 1

    @property
    def training_fell_since(self) -> float:
        """How much lower the training loss is at the end than around the best epoch, as a part."""
        begin = max(0, self.best_epoch - 2)
        then, now = fmean(self.train_loss[begin : begin + 3]), fmean(self.train_loss[-self.tail :])
        return _fall(then, now)

    @property
    def gap(self) -> float:
        """The validation error of the last epochs, as a multiple of their training loss."""
        return fmean(self.val_mse[-self.tail :]) / max(fmean(self.train_loss[-self.tail :]), 1e-12)

    @property
    def gain(self) -> float | None:
        """By how much the validation error fell from the epochs before the last ones to these,
        as a part; None where there are too few."""
        if self.epochs < 2 * self.tail:
            return None
        before = fmean(self.val_mse[-2 * self.tail : -self.tail])
        return _fall(before, fmean(self.val_mse[-self.tail :]))

    @property
    def jumps(self) -> int:
        """Epochs of the second half in which the validation error rose sharply."""
        late = self.val_mse[self.epochs // 2 :]
        return sum(now > (1 + JUMP) * was for was, now in pairwise(late))

    @property
    def annealed(self) -> float:
        """The learning rate of the last epochs, as a part of the highest; 1 if it is constant."""
        return fmean(self.learning_rate[-self.tail :]) / max(self.learning_rate)

    @property
    def blow_up(self) -> float:
        """How many times their best both errors are at the end; the lesser of the two."""
        ends = [
            min(values[-2:]) / max(min(values), 1e-12) for values in (self.train_loss, self.val_mse)
        ]
        return min(ends)


def _fall(then: float, now: float) -> float:
    return 1 - now / then if then > 0 else 0.0
