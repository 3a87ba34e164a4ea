"""Findings about the steps of a training: too short to get anywhere, or too long to settle.

Both are read from what was stored of the model at its best epoch, and from the learning rates.
"""

from autoencoder_hpo.diagnosis.findings import Finding
from autoencoder_hpo.diagnosis.remedies import faster, other_activation, rates, relative_rate
from autoencoder_hpo.diagnosis.trial_context import Case, reach, stride
from autoencoder_hpo.text import mse

SHORT = 1.0
"""How far a whole training can move its weights, in their own size: see `remedies.MODEST`."""
OVERSHOT = 2.0
"""Relative change of the loss that a single step can make; 0.1 to 0.8 at good learning rates, 6 at
ten times as much."""
NO_SLOPE = 0.1
"""Relative change of the loss for a relative change of the weights; above 0.7 where it learned."""
LOW, HIGH = 0.03, 10.0
"""Learning rates as multiples of the usual one, beyond which they are the first suspect."""

Why = tuple[str, str, str | None]
"""The reason, the remedy, and that as a line."""


def stagnation(case: Case) -> Finding | None:
    """It is stuck where no training is needed to get to, and its steps are why."""
    curve, why = case.curve, _why(case)
    if curve is None or not case.poor or why is None:
        return None
    reason, remedy, change = why
    idle = f"; its last {curve.idle} epochs brought nothing" if curve.idle >= curve.tail else ""
    return case.found(
        "stagnation",
        f"It is stuck at {mse(curve.best)}{idle}: {reason}",
        "likely" if case.health else "possible", remedy, change,
        learning_rate=case.config.optimizer.learning_rate, val_mse=curve.best, idle=curve.idle,
        reach=reach(case), overshoot=overshoot(case), slope=slope(case),
    )  # fmt: skip


def _why(case: Case) -> Why | None:
    rate, relative = case.config.optimizer.learning_rate, relative_rate(case)
    far, over, steep = reach(case), overshoot(case), slope(case)
    too_high = f"a learning rate of {rate:.2g} is too high to settle."
    if far is None or over is None or steep is None:
        if relative >= HIGH:
            return too_high, *_slower(case)
        return (_too_low(case), *faster(case)) if relative < LOW else None
    if steep < NO_SLOPE and relative < HIGH:
        return "its gradient has vanished.", *other_activation(case)
    if steep < NO_SLOPE or over > OVERSHOT:
        return too_high, *_slower(case)
    return (_too_low(case), *faster(case)) if far < SHORT else None


def _too_low(case: Case) -> str:
    far, rate = reach(case), case.config.optimizer.learning_rate
    said = "" if far is None else f" All its steps together moved them by {far:.1%} at most."
    return f"a learning rate of {rate:.2g} is too low to move its weights.{said}"


def _slower(case: Case) -> tuple[str, str | None]:
    return "Lower the learning rate.", rates(case, 0.01, 0.2)


def slope(case: Case) -> float | None:
    """By which part the loss falls for a change of the weights by one part, along its gradient."""
    if (health := case.health) is None:
        return None
    norm, size, loss = health.gradient_norm, health.weight_norm, health.loss
    return None if norm is None or size is None or not loss else float(norm * size / loss)


def overshoot(case: Case) -> float | None:
    """By which part one of the last steps can change the loss."""
    if (health := case.health) is None:
        return None
    norm, loss, length = health.gradient_norm, health.loss, stride(case)
    if case.curve is None or norm is None or length is None or not loss:
        return None
    rate = max(case.curve.learning_rate[-2 * case.curve.tail :])
    return float(rate * length * norm / loss)
