"""Findings about the course of a training: where its errors went, epoch by epoch."""

from autoencoder_hpo.diagnosis.curves import JUMP, Curve
from autoencoder_hpo.diagnosis.findings import Finding, Sure
from autoencoder_hpo.diagnosis.proposals import line
from autoencoder_hpo.diagnosis.remedies import (
    capacity,
    faster,
    has_short_steps,
    less_dropout,
    rates,
    relative_rate,
    restraint,
    weaker_penalty,
)
from autoencoder_hpo.diagnosis.trial_context import Case, reach
from autoencoder_hpo.storage.records import Cause
from autoencoder_hpo.text import mse

BLOWN_UP = 3.0
"""Both errors at the end, as a multiple of their best: no wavering goes so far."""
JUMPS, JUMPS_SHARE = 3, 1 / 4
"""Epochs of the second half that rise sharply: so many, and at least this part of them."""
RISE, CLEAR_RISE = 0.05, 0.15
"""Of the validation error, for good: 0.2 dB, which matters, and 0.6 dB, which nobody overlooks."""
GAP, CLEAR_GAP = 1.6, 2.0
"""Validation error as a multiple of the training loss: on digits 1.0 to 1.2 with all images, 2 with
300 of them, 3 with 100."""
LEARNED_ON = 0.02
"""Part that the training loss fell meanwhile: what was learned does not carry over."""
STILL_GAINING, CLEARLY_GAINING = 0.05, 0.1
"""Part that the validation error fell in the last fifth of a training: 0.2 dB and 0.5 dB."""
ANNEALED = 0.5
"""Below this part of its highest learning rate, gains come from its fall, and end with it."""
CLOSE = 0.8
"""The training loss, as a part of the validation error: above it there is no gap worth closing."""
LOW = 0.03
"""A learning rate below this part of the usual one is not what made a training diverge."""


def divergence(case: Case) -> Finding | None:
    """The loss became infinite, or far larger than it was."""
    curve, not_finite = case.curve, case.trial.cause is Cause.NOT_FINITE
    blow_up = curve.blow_up if curve and curve.epochs > 2 else 1.0
    if not not_finite and blow_up < BLOWN_UP:
        return None
    seen = (
        f"Its training failed: {case.reason}."
        if not_finite
        else f"Its errors grew again, to {blow_up:.1f} times their best."
    )
    rate = case.config.optimizer.learning_rate
    change: str | None
    if relative_rate(case) < LOW:
        remedy = f"Its learning rate of {rate:.2g} is low already: limit the gradient's norm."
        change = line("trial.gradient_clip", [0.1, 1.0])
    else:
        remedy = f"Lower the learning rate of {rate:.2g} at least ten times."
        change = rates(case, 0.01, 0.1)
    return case.found(
        "divergence", seen, "certain" if not_finite else "likely", remedy, change,
        learning_rate=rate, blow_up=None if not_finite else blow_up,
    )  # fmt: skip


def oscillation(case: Case) -> Finding | None:
    """The validation error jumps up and down until late."""
    curve = case.curve
    if curve is None or curve.jumps < max(JUMPS, JUMPS_SHARE * (curve.epochs - curve.epochs // 2)):
        return None
    rate = case.config.optimizer.learning_rate
    seen = (
        f"Its validation error jumps: in the second half of {curve.epochs} epochs it rose by more "
        f"than {JUMP:.0%} {curve.jumps} times."
    )
    remedy = f"Lower the learning rate of {rate:.2g}; larger batches calm it, too."
    return case.found(
        "oscillation", seen, "likely", remedy, rates(case, 0.05, 0.5),
        jumps=curve.jumps, learning_rate=rate,
    )  # fmt: skip


def overfitting(case: Case) -> Finding | None:
    """The training loss goes on falling while the validation error rises, or stays far above.

    Noise that is drawn anew every epoch keeps the validation error from rising: the gap tells.
    """
    curve = case.curve
    if curve is None or curve.gain is None:
        return None
    rises = curve.rise >= RISE and curve.training_fell_since >= LEARNED_ON
    apart = case.comparable and curve.gap >= GAP and curve.gain < STILL_GAINING
    if not rises and not apart:
        return None
    by_heart = apart and (case.poor or curve.gap >= CLEAR_GAP)
    clear = by_heart or (rises and curve.rise >= CLEAR_RISE)
    seen = (
        f"From epoch {curve.best_epoch} on its training loss fell by another "
        f"{curve.training_fell_since:.0%}, while its validation error rose by {curve.rise:.0%} and "
        "stayed there"
        if rises
        else f"Its validation error is {curve.gap:.1f} times its training loss, and falls no more"
    )
    remedy, change = restraint(case)
    return case.found(
        "overfitting", f"{seen}: it learns its training images by heart.",
        "likely" if clear else "possible", remedy, change,
        rise=curve.rise, gap=curve.gap if case.comparable else None, best_epoch=curve.best_epoch,
        epochs=curve.epochs,
    )  # fmt: skip


def slow_learning(case: Case) -> Finding | None:
    """It was still getting better when its epochs were over.

    Not where the same pace for as long again would still not do: more of that is no remedy.
    """
    curve = case.curve
    if curve is None or curve.gain is None or curve.gain < STILL_GAINING:
        return None
    if curve.annealed < ANNEALED or curve.best_epoch <= curve.epochs - curve.tail:
        return None
    if not has_short_steps(case) and _is_hopeless(case, curve, curve.gain):
        return None
    seen = (
        f"It was still learning when it ended: its validation error fell by {curve.gain:.0%} in "
        f"the last {curve.tail} of {curve.epochs} epochs, to {mse(curve.best)}."
    )
    remedy, change = _speed(case)
    sure: Sure = "likely" if curve.gain >= CLEARLY_GAINING or case.poor else "possible"
    return case.found(
        "slow-learning", seen, sure, remedy, change,
        gain=curve.gain, epochs=curve.epochs, val_mse=curve.best,
        learning_rate=case.config.optimizer.learning_rate, reach=reach(case),
    )  # fmt: skip


def _is_hopeless(case: Case, curve: Curve, gain: float) -> bool:
    after_as_long_again = curve.best * (1 - gain) ** (curve.epochs / curve.tail)
    return case.yardstick is not None and after_as_long_again > case.yardstick.mse


def _speed(case: Case) -> tuple[str, str | None]:
    most = case.task.epochs
    if has_short_steps(case):
        return faster(case)
    if case.config.epochs is not None and case.config.epochs < most:
        return "Let it train as long as the task allows.", line("trial.epochs", most)
    change = line("task.epochs", 2 * most)
    return "Train longer: a new study with twice the epochs.", change


def underfitting(case: Case) -> Finding | None:
    """Training and validation errors are both high and close, with no end in sight."""
    curve, yardstick = case.curve, case.yardstick
    if curve is None or yardstick is None or not case.poor:
        return None
    if case.comparable and curve.train_loss[-1] < CLOSE * curve.val_mse[-1]:
        return None
    train = f" (training loss {mse(curve.train_loss[-1])})" if case.comparable else ""
    seen = f"It cannot fit its images: it came to {mse(curve.best)}{train}, where {yardstick.said}."
    remedy, change = weaker_penalty(case) or less_dropout(case) or capacity(case)
    return case.found(
        "underfitting", seen, "likely", remedy, change,
        val_mse=curve.best, train_loss=curve.train_loss[-1], yardstick=yardstick.mse,
        parameters=case.parameters,
    )  # fmt: skip
