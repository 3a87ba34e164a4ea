"""Values in words: numbers with their units, and a trial or a study in a line."""

import math
from collections.abc import Mapping
from typing import Any

from autoencoder_hpo.config.metric import Metric

SCORES = ("MSE", "PSNR", "SSIM")
"""What tables of scores have, whatever a study improves."""
BELOW_AFFINE = (
    "The best trial does not beat the affine filter: a fixed weighted sum of pixels, which takes "
    "seconds to compute and no training, restores these images better. More epochs, a higher "
    "learning rate, wider models or skip connections (unet) may change that."
)


def db(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} dB"


def score(record: Mapping[str, Any], metric: Metric) -> str:
    """What a trial came to: its PSNR, behind the metric that people see, where that is another.

    `record`: has both by their names; None where there is none.
    """
    own, psnr = record.get(metric.shown.value), record.get("val_psnr")
    return ", ".join(dict.fromkeys([metric.shown.named(own), db(psnr)]))


def gain(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f} dB"


def ahead(value: float, of: str) -> str:
    return f"{gain(value)} over {of}" if value >= 0 else f"{db(-value)} below {of}"


def mse(value: float | None) -> str:
    return "–" if value is None else f"{value:.5f}"


def duration(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def count_line(counts: dict[str, int], budget: dict[str, Any]) -> str:
    done = counts["complete"] + counts["pruned"]
    of = "" if budget["trials"] is None else f" of {budget['trials']}"
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return (
        f"{done}{of} trials ({counts['complete']} complete, {counts['pruned']} pruned{failed}), "
        f"{counts['running']} running, {counts['waiting']} waiting"
    )


def trial_line(record: dict[str, Any], metric: Metric) -> str:
    """How a trial ended, in a line; from `status.trial_record`."""
    what = f"trial {record['number']:>3}  {model_kind(record):<5}"
    match record["state"]:
        case "complete":
            scores = record["scores"]
            return (
                f"{what} complete  {score(scores, metric)} ({gain(scores['psnr_gain'])}) in "
                f"{record['seconds']:.0f} s"
            )
        case "pruned":
            return f"{what} pruned    {record['reason'] or ''}"
        case "fail":
            return f"{what} failed    {record['reason'] or ''}"
        case _:
            return f"{what} handed back"


def model_kind(record: dict[str, Any]) -> str:
    return record["config"]["model"]["kind"] if record["config"] else "?"


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """What the best denoiser is worth, and a warning where a formula does better."""
    best = summary["best"]
    if best is None or best["psnr_gain"] is None:
        return []
    found = [ahead(best["psnr_gain"], "the noisy input")]
    affine_gain = best.get("affine_gain")
    if affine_gain is not None:
        found.append(ahead(affine_gain, "the affine filter"))
    line = f"best {score(best, Metric(summary['objective']))} ({', '.join(found)})"
    return [line, BELOW_AFFINE] if affine_gain is not None and affine_gain < 0 else [line]


def ssim(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
