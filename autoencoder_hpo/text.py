"""Values in words: numbers with their units."""

import math

from autoencoder_hpo.config.metric import Metric, Result

SCORES = ("MSE", "PSNR", "SSIM")
"""What tables of scores have, whatever a study improves."""


def db(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} dB"


def score(metric: Metric, result: Result | None) -> str:
    """What a trial came to: its PSNR, behind the metric that people see, where that is another.

    `metric`: what the study improves. `result`: what was measured; None where nothing was.
    """
    own, psnr = (each.found_in(result) for each in (metric.shown, Metric.VAL_PSNR))
    return score_of(metric, own, psnr)


def score_of(metric: Metric, own: float | None, psnr: float | None) -> str:
    """The same from its values: by the metric that people see, and in dB."""
    return ", ".join(dict.fromkeys([metric.shown.named(own), db(psnr)]))


def number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


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


def ssim(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
