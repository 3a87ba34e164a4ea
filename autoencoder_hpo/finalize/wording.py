"""What a finalize found, in words."""

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.finalize.comparison import Estimate
from autoencoder_hpo.finalize.results import Row, Selection, TestScores, Winner


def interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "no interval: all are of one file"
    return f"{estimate.low:.2f} to {estimate.high:.2f}"


def signed_interval(estimate: Estimate, metric: Metric = Metric.VAL_PSNR) -> str:
    """Of a difference of this metric, without its unit."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return " to ".join(metric.digits(end, signed=True) for end in (estimate.low, estimate.high))


def verdict(selection: Selection, winner: Winner, tested: TestScores) -> tuple[str, str]:
    """Who won and why; how good it is on the test images."""
    reason = selection.verdict.reason
    first = f"Trial {winner.trial} ({winner.kind}) wins: {reason}."
    ours = tested.denoiser
    second = (
        f"On {tested.images:,} test images it restores {ours.psnr:.2f} dB ({interval(tested.psnr)})"
    )
    if ours.gain is not None:
        second += f", {ours.gain:+.2f} dB over the noisy input"
    best = best_baseline(tested)
    if best is not None and best.advantage is not None:
        mean = best.advantage.mean
        side = "more" if mean >= 0 else "less"
        second += f" and {abs(mean):.2f} dB {side} than the best baseline, {best.name}"
    return first, second + "."


def best_baseline(tested: TestScores) -> Row | None:
    """The one that the denoiser is least ahead of, the noisy input aside."""
    others = [row for row in tested.rows if row.advantage and row.name != "noisy input"]
    return min(others, key=lambda row: row.advantage.mean if row.advantage else 0.0, default=None)


def warnings(tested: TestScores, selection: Selection, looks: int) -> tuple[str, ...]:
    """What a user of the denoiser must know before anything else."""
    said = [_not_beaten(row) for row in tested.rows if not row.beaten]
    if selection.diverged:
        named = ", ".join(map(str, selection.diverged))
        said.append(f"trial {named} could not win: its loss was not finite with every seed")
    if looks > 1:
        said.append(
            f"the test images were looked at {looks} times: the score may be too good, because "
            "it could have been chosen"
        )
    if tested.psnr.low is None:
        said.append("all test images are of one file: there is no interval, and no proof")
    return tuple(said)


def _not_beaten(row: Row) -> str:
    assert row.advantage is not None
    advantage = f"{row.advantage.mean:+.2f} dB, {signed_interval(row.advantage)}"
    name = f"the {row.name}" if row.name.endswith(("filter", "input")) else row.name
    if row.advantage.below_zero:
        return f"the denoiser is worse than {name} ({advantage}): use that instead"
    return f"the denoiser does not beat {name} ({advantage}): the images show no difference"
