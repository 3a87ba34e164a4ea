"""Classes or folders that a trial restores much worse than the others."""

from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.trial_context import Case

LEAST = 20
"""Validation images of a group: the mean of fewer says little."""
BEHIND = 1.5
"""dB that its gain over the affine filter is below that of all images together. On Fashion-MNIST no
class is more than half a dB behind."""


def weak_group(case: Case, facts: Facts) -> Finding | None:
    """The group that gains least over the affine filter, where that is far too little.

    Some kinds of images are harder than others, for the affine filter as well; what a kind gains
    over it says whether the model has learned that kind.
    """
    record, affine, sizes = case.trial.record, facts.data.affine, facts.data.groups or {}
    if record.scores is None or affine is None or affine.psnr is None:
        return None
    ours, theirs = record.groups or {}, affine.groups or {}
    gains = {
        name: ours[name] - theirs[name]
        for name in ours
        if name in theirs and sizes.get(name, 0) >= LEAST
    }
    if not gains:
        return None
    worst = min(gains, key=gains.__getitem__)
    every = record.scores.val_psnr - affine.psnr
    if gains[worst] > every - BEHIND:
        return None
    seen = (
        f"Images of {worst} gain {gains[worst]:+.2f} dB over the affine filter, all images "
        f"together {every:+.2f} dB: it has not learned this kind as well as the others."
    )
    remedy = f"Look at some images of {worst}, and add more of them to the training images."
    figures: dict[str, float | str] = {
        "gain": gains[worst],
        "gain_of_all": every,
        "images": sizes[worst],
        "group": worst,
    }
    return case.found("weak-group", seen, "possible", remedy, None, **figures)
