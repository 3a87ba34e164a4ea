"""A trial or a study in a line, for screens, notes and reports alike."""

from typing import assert_never

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Summary
from autoencoder_hpo.text import ahead, gain, score

BELOW_AFFINE = (
    "The best trial does not beat the affine filter: a fixed weighted sum of pixels, which takes "
    "seconds to compute and no training, restores these images better. More epochs, a higher "
    "learning rate, wider models or skip connections (unet) may change that."
)


def count_line(known: Summary) -> str:
    counts, most = known.counts, known.budget.trials
    of = "" if most is None else f" of {most}"
    failed = f", {counts.failed} failed" if counts.failed else ""
    return (
        f"{counts.finished}{of} trials ({counts.complete} complete, {counts.pruned} pruned"
        f"{failed}), {counts.running} running, {counts.waiting} waiting"
    )


def trial_line(trial: StoredTrial, metric: Metric) -> str:
    """How a trial ended, in a line."""
    what, record = f"trial {trial.number:>3}  {trial.kind:<5}", trial.record
    match trial.ending:
        case "complete":
            gained = gain(None if record.scores is None else record.scores.psnr_gain)
            took = "–" if record.seconds is None else f"{record.seconds:.0f} s"
            return f"{what} complete  {score(metric, record.scores)} ({gained}) in {took}"
        case "pruned":
            return f"{what} pruned    {record.reason or ''}"
        case "fail":
            return f"{what} failed    {record.reason or ''}"
        case "running" | "waiting":
            return f"{what} handed back"
        case _ as never:
            assert_never(never)


def verdict(known: Summary) -> list[str]:
    """What the best denoiser is worth, and a warning where a formula does better."""
    best = known.best
    if best is None or best.psnr_gain is None:
        return []
    found = [ahead(best.psnr_gain, "the noisy input")]
    if best.affine_gain is not None:
        found.append(ahead(best.affine_gain, "the affine filter"))
    line = f"best {score(known.objective, best.scores)} ({', '.join(found)})"
    below = best.affine_gain is not None and best.affine_gain < 0
    return [line, BELOW_AFFINE] if below else [line]
