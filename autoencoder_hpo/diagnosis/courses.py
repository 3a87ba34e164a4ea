"""Findings about the course of a training: where its errors went, epoch by epoch."""

from autoencoder_hpo.diagnosis.case import Case
from autoencoder_hpo.diagnosis.curves import JUMP, Curve
from autoencoder_hpo.diagnosis.findings import Finding, Sure
from autoencoder_hpo.diagnosis.remedies import (
    capacity,
    floats,
    less_strain,
    line,
    rates,
    relative_rate,
)
from autoencoder_hpo.screens import mse

NOT_FINITE = "not finite"
"""In the reason of a trial that was ended for it."""
BLOWN_UP = 3.0
"""Both errors at the end, as a multiple of their best: no wavering goes so far."""
JUMPS, JUMPS_SHARE = 3, 1 / 4
"""Epochs of the second half that rise sharply: so many, and at least this part of them."""
RISE, CLEAR_RISE = 0.05, 0.15
"""Of the validation error, for good: 0.2 dB, which matters, and 0.6 dB, which nobody overlooks."""
LEARNED_ON = 0.02
"""Part that the training loss fell meanwhile: what was learned does not carry over."""
STILL_GAINING, CLEARLY_GAINING = 0.05, 0.1
"""Part that the validation error fell in the last fifth of a training: 0.2 dB and 0.5 dB."""
ANNEALED = 0.5
"""Below this part of its highest learning rate, gains come from its fall, and end with it."""
CLOSE = 0.8
"""The training loss, as a part of the validation error: above it there is no gap worth closing."""
SHORT_STEPS = 0.1
"""Part of their size that the weights can have moved in the whole training, at most."""
LOW, HIGH = 0.03, 10.0
"""Learning rates as multiples of the usual one, beyond which they are the first suspect."""
STEEP = 1.0
"""Relative fall of the loss for a relative change of the weights: at its end, a training that
found its place has less."""


def divergence(case: Case) -> Finding | None:
    """The loss became infinite, or far larger than it was."""
    curve, not_finite = case.curve, NOT_FINITE in case.reason
    blow_up = curve.blow_up if curve and curve.epochs > 2 else 1.0
    if not not_finite and blow_up < BLOWN_UP:
        return None
    seen = (
        f"Its training failed: {case.reason}."
        if not_finite
        else f"Its errors grew again, to {blow_up:.1f} times their best."
    )
    rate = case.config.optimizer.learning_rate
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
    """The training loss goes on falling while the validation error rises for good."""
    curve = case.curve
    if curve is None or curve.epochs < 2 * curve.tail or curve.rise < RISE:
        return None
    if curve.training_fell_since < LEARNED_ON:
        return None
    seen = (
        f"From epoch {curve.best_epoch} on its training loss fell by another "
        f"{curve.training_fell_since:.0%}, while its validation error rose by {curve.rise:.0%} and "
        "stayed there: it learns its training images by heart."
    )
    remedy, change = _restraint(case)
    return case.found(
        "overfitting", seen, "likely" if curve.rise >= CLEAR_RISE else "possible", remedy, change,
        rise=curve.rise, training_fell=curve.training_fell_since, best_epoch=curve.best_epoch,
        epochs=curve.epochs,
    )  # fmt: skip


def _restraint(case: Case) -> tuple[str, str]:
    model, grid = case.config.model, case.grid
    if model.dropout < 0.5:
        low = round(model.dropout + 0.1, 2)
        value = floats(low, round(low + 0.2, 2), grid=grid)
        remedy = "Drop activations while training (dropout), or use more training images."
        return remedy, line("trial.model.dropout", value)
    remedy = "Penalize large weights (weight_decay), or use more training images."
    value = floats(1e-3, 1e-1, grid=grid, log=True)
    return remedy, line("trial.optimizer.weight_decay", value)


def slow_learning(case: Case) -> Finding | None:
    """It was still getting better when its epochs were over."""
    curve = case.curve
    if curve is None or curve.gain is None or curve.gain < STILL_GAINING:
        return None
    if curve.annealed < ANNEALED or curve.best_epoch <= curve.epochs - curve.tail:
        return None
    seen = (
        f"It was still learning when it ended: its validation error fell by {curve.gain:.0%} in "
        f"the last {curve.tail} of {curve.epochs} epochs, to {mse(curve.best)}."
    )
    remedy, change = _speed(case, curve)
    sure: Sure = "likely" if curve.gain >= CLEARLY_GAINING or case.poor else "possible"
    return case.found(
        "slow-learning", seen, sure, remedy, change,
        gain=curve.gain, epochs=curve.epochs, val_mse=curve.best,
        learning_rate=case.config.optimizer.learning_rate,
    )  # fmt: skip


def _speed(case: Case, curve: Curve) -> tuple[str, str | None]:
    rate, most = case.config.optimizer.learning_rate, case.task.epochs
    if case.config.epochs is not None and case.config.epochs < most:
        return "Let it train as long as the task allows.", line("trial.epochs", most)
    if relative_rate(case) < 1:
        return f"Raise the learning rate of {rate:.2g}, or train longer.", rates(case, 2, 20)
    change = line("task.epochs", 2 * most)
    return "Train longer: a new study with twice the epochs.", change


def stagnation(case: Case) -> Finding | None:
    """It got stuck where no training is needed to get to, and the learning rate is why."""
    curve = case.curve
    if curve is None or not case.poor:
        return None
    rate, reach, slope = case.config.optimizer.learning_rate, _reach(case), _slope(case)
    relative = relative_rate(case)
    if reach is not None and slope is not None:
        low, high = reach < SHORT_STEPS, relative >= HIGH and slope > STEEP
    else:
        low, high = relative < LOW, relative >= HIGH
    if not low and not high:
        return None
    steep = (
        ""
        if slope is None
        else f" Changing its weights by 1% would change the loss by {slope:.2g}%."
    )
    return case.found(
        "stagnation",
        f"It got stuck at {mse(curve.best)}: a learning rate of {rate:.2g} is too "
        f"{'low to move its weights' if low else 'high to settle'}.{steep}",
        "likely" if slope is not None else "possible",
        f"{'Raise' if low else 'Lower'} the learning rate.",
        rates(case, 10, 1000) if low else rates(case, 0.01, 0.2),
        learning_rate=rate, reach=reach, slope=slope, val_mse=curve.best,
    )  # fmt: skip


def _slope(case: Case) -> float | None:
    """By which part the loss falls for a change of the weights by one part, along its gradient."""
    norm, size, loss = (case.health.get(k) for k in ("gradient_norm", "weight_norm", "loss"))
    return None if None in (norm, size) or not loss else float(norm * size / loss)


def _reach(case: Case) -> float | None:
    """How far all steps of the training can have moved the weights, as a part of their size.

    Adam and RMSprop move each weight by the learning rate, SGD by so much of its gradient; if
    all steps went the same way.
    """
    norm, size = case.health.get("gradient_norm"), case.health.get("weight_norm")
    if case.curve is None or norm is None or not size:
        return None
    optimizer = case.config.optimizer
    stride = norm if optimizer.kind == "sgd" else case.parameters**0.5
    momentum = getattr(optimizer, "momentum", 0.0)
    path = case.steps * sum(case.curve.learning_rate) / (1 - momentum)
    return float(path * stride / size)


def underfitting(case: Case) -> Finding | None:
    """Training and validation errors are both high and close, and fall no more."""
    curve, yardstick = case.curve, case.yardstick
    if curve is None or yardstick is None or not case.poor:
        return None
    like_validation = case.config.loss == "mse" and case.config.corruption in (
        None,
        case.task.corruption,
    )
    if like_validation and curve.train_loss[-1] < CLOSE * curve.val_mse[-1]:
        return None
    train = f" (training loss {mse(curve.train_loss[-1])})" if like_validation else ""
    seen = (
        f"It cannot fit its images: it ended at {mse(curve.best)}{train}, and {yardstick.what} "
        f"leaves {mse(yardstick.mse)}."
    )
    remedy, change = less_strain(case) or capacity(case)
    return case.found(
        "underfitting", seen, "likely", remedy, change,
        val_mse=curve.best, train_loss=curve.train_loss[-1], yardstick=yardstick.mse,
        parameters=case.parameters,
    )  # fmt: skip
