"""Findings about what a model has inside: its units, and its bottleneck."""

from autoencoder_hpo.diagnosis.findings import Finding, Sure
from autoencoder_hpo.diagnosis.remedies import (
    enlarged,
    other_activation,
    rates,
    relative_rate,
    weaker_penalty,
)
from autoencoder_hpo.diagnosis.trial_context import Case
from autoencoder_hpo.text import mse

MOST_OF_ALL, MOST_OF_A_LAYER = 0.5, 0.9
"""Shares of units or values: rectifiers keep some units silent on most images, and that is well;
a layer that is all but gone lets nothing through."""
HIGH_RATE = 10.0
"""As a multiple of the usual one: where units die of their learning rate."""
LOST = 0.5
"""Part of the trial's error that its bottleneck costs clean images as well."""
USED = 0.6
"""The bound as a part of the trial's error: one that is far above it does not use what it has."""
WIDER_HELPS = 0.8
"""What twice the bottleneck leaves, as a part of what it leaves now, for it to be the cause."""


def dead_units(case: Case) -> Finding | None:
    """Most hidden units give the same whatever the image is."""
    if (health := case.health) is None:
        return None
    dead, layer, activation = health.dead, health.dead_layer, case.config.model.activation
    if dead < MOST_OF_ALL and layer < MOST_OF_A_LAYER:
        return None
    seen = (
        f"{dead:.0%} of its hidden units are dead, {layer:.0%} in the worst layer: they give the "
        f"same for all of {health.images} images."
    )
    remedy, change = _livelier(case)
    return case.found(
        "dead-units", seen, _sure(case), remedy, change,
        dead=dead, dead_layer=layer, activation=activation,
    )  # fmt: skip


def saturated_units(case: Case) -> Finding | None:
    """tanh or sigmoid is at its flat ends, where nothing is learned."""
    if (health := case.health) is None:
        return None
    share, layer = health.saturated, health.saturated_layer
    if share is None or layer is None or (share < MOST_OF_ALL and layer < MOST_OF_A_LAYER):
        return None
    activation = case.config.model.activation
    seen = (
        f"{share:.0%} of its hidden values, {layer:.0%} in the worst layer, are where {activation} "
        "is flat: there it learns next to nothing."
    )
    remedy, change = _livelier(case)
    return case.found(
        "saturated-units", seen, _sure(case), remedy, change,
        saturated=share, saturated_layer=layer, activation=activation,
    )  # fmt: skip


def _livelier(case: Case) -> tuple[str, str | None]:
    """Of what drives units to where they rest, the first that applies."""
    rate = case.config.optimizer.learning_rate
    if relative_rate(case) >= HIGH_RATE:
        remedy = f"Lower the learning rate of {rate:.2g}, which drove them there."
        return remedy, rates(case, 0.01, 0.1)
    if (penalty := weaker_penalty(case)) is not None:
        return penalty
    return other_activation(case)


def _sure(case: Case) -> Sure:
    """A trial that does well all the same may have more units than it needs."""
    return "likely" if case.poor or not case.complete else "possible"


def narrow_bottleneck(case: Case) -> Finding | None:
    """Its bottleneck loses more of a clean image than denoising has to.

    Only where there is noise: a clean autoencoder is nothing but its bottleneck, and its size is
    what one asks for.
    """
    widening, size = case.config.model.wider, case.bottleneck
    bound, wider = case.pca_bound(size), case.pca_bound(None if size is None else 2 * size)
    if case.curve is None or case.noisy_mse is None or size is None or bound is None:
        return None
    error, clean = case.curve.best, None if case.health is None else case.health.clean_mse
    reached = error if clean is None else min(error, clean)
    if min(bound, reached) < LOST * error or bound < USED * reached:
        return None
    if wider is not None and wider > WIDER_HELPS * bound:
        return None
    assert widening is not None, "a bottleneck has a width"
    remedy, change = enlarged(case, widening)
    seen = (
        f"Its bottleneck of {size} values is too narrow: the best linear autoencoder of that size "
        f"leaves {mse(bound)} of clean images, and its whole error is {mse(error)}."
    )
    return case.found(
        "narrow-bottleneck", seen, "possible" if clean is None else "likely", remedy, change,
        bottleneck=size, pca_mse=bound, clean_mse=clean, val_mse=error,
    )  # fmt: skip
