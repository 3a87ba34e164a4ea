"""The model card: what a stranger must know before trusting the denoiser."""

from collections.abc import Mapping, Sequence

from autoencoder_hpo.config import ImageShape, ModelConfig, Task
from autoencoder_hpo.finalize.plan import Plan
from autoencoder_hpo.finalize.results import Finalized, Row, Selection, TestScores
from autoencoder_hpo.finalize.wording import interval, signed_interval
from autoencoder_hpo.showcase.notes import table

WORST = 5
"""Groups in the card; `scores.json` has all of them."""


def model_card(
    result: Finalized,
    plan: Plan,
    *,
    model: ModelConfig,
    shape: ImageShape,
    versions: Mapping[str, str],
) -> str:
    """Markdown. No date and no path of this machine: equal results have equal cards.

    Args:
        model: the winner's.
        shape: (C, H, W) of the training images.
    """
    task = plan.opened.study.task
    parts = [
        f"# {result.study}: a denoiser",
        " ".join(result.verdict),
        *_warned(result.warnings),
        "## Images and noise",
        _images(result, task, shape),
        "## Scores on the test images",
        _scores(result, task),
        *_groups(result.tested),
        *_strengths(result.tested, task),
        "## How the winner was found",
        _selection(result.contest, plan),
        "## Limits",
        _limits(task, model, shape),
        "## How to use it",
        _usage(result.study),
        "## How to reproduce it",
        _reproduce(result, plan),
        table(("package", "version"), sorted(versions.items())),
    ]
    return "\n\n".join(parts) + "\n"


def _warned(warnings: Sequence[str]) -> list[str]:
    return ["\n".join(f"> **Warning:** {each}." for each in warnings)] if warnings else []


def _images(result: Finalized, task: Task, shape: Sequence[int]) -> str:
    channels, height, width = shape
    winner = result.winner
    clipped = ", clipped to [0, 1]" if task.corruption and task.corruption.clip else ""
    noise = task.corruption.words if task.corruption else "as the noisy images have it"
    lines = [
        f"- data set: {task.data.dataset}; {_size(channels, height, width)}, pixels in [0, 1]",
        f"- noise: {noise}{clipped}",
        f"- trained on {winner.train_images:,} images (the search used {winner.searched_on:,}); "
        f"{result.contest.images:,} others chose the epoch and the winner, and "
        f"{result.tested.images:,} were kept for the one test",
    ]
    return "\n".join(lines)


def _size(channels: int, height: int, width: int) -> str:
    kind = {1: "grey", 3: "color"}.get(channels, f"{channels} channels")
    return f"{height}×{width}, {kind}"


def _scores(result: Finalized, task: Task) -> str:
    tested = result.tested
    lines = [
        "PSNR in dB, the mean over images, peak 1. *Advantage* is how many dB the denoiser is "
        "above a method on the same images, with its 95% interval (paired bootstrap"
        + (", files drawn whole" if task.data.split_by == "files" else "")
        + "): where it includes 0, the images show no difference.",
        _score_table(tested),
        f"The denoiser's mean of {tested.psnr.mean:.2f} dB has a 95% interval of "
        f"{interval(tested.psnr)}.",
    ]
    if tested.subset:
        lines.append(
            f"Slow methods were measured on {tested.subset} test images, evenly spread; the last "
            "rows are all on these."
        )
    lines.append(_looks(result))
    lines.append(_settings(tested))
    return "\n\n".join(filter(None, lines))


def _score_table(tested: TestScores) -> str:
    header = ("method", "images", "PSNR", "MSE", "SSIM", "gain", "advantage of the denoiser")
    return table(header, [_score_row(row) for row in tested.rows])


def _score_row(row: Row) -> tuple[str, ...]:
    advantage = "–"
    if row.advantage is not None:
        advantage = f"{row.advantage.mean:+.2f} ({signed_interval(row.advantage)})"
    return (
        row.name,
        f"{row.images:,}",
        f"{row.psnr:.2f}",
        f"{row.mse:.5f}",
        "–" if row.ssim is None else f"{row.ssim:.3f}",
        "–" if row.gain is None else f"{row.gain:+.2f}",
        advantage,
    )


def _settings(tested: TestScores) -> str:
    """What each method was tuned to, and on what."""
    return "\n".join(
        f"- {row.name}: "
        + ", ".join(f"{name} {_value(value)}" for name, value in row.settings.items())
        for row in tested.rows
        if row.settings
    )


def _value(value: float | str) -> str:
    match value:
        case str():
            return value
        case int():
            return f"{value:,}"
        case _:
            return f"{value:g}"


def _looks(result: Finalized) -> str:
    if len(result.looks) == 1:
        return "The test images were looked at once, for these scores."
    seen = "; ".join(f"trial {look.trial}: {look.psnr:.2f} dB" for look in result.looks)
    return f"The test images were looked at {len(result.looks)} times ({seen})."


def _groups(tested: TestScores) -> list[str]:
    if not tested.groups:
        return []
    worst = tested.groups[0]
    shown = tested.groups[:WORST]
    rows = [
        (g.name, f"{g.images:,}", f"{g.psnr:.2f}", "–" if g.gain is None else f"{g.gain:+.2f}")
        for g in shown
    ]
    more = f" The worst {len(shown)} of {len(tested.groups)}:" if len(tested.groups) > WORST else ""
    return [
        "## Scores of each group",
        f"The worst is **{worst.name}**, with {worst.psnr:.2f} dB.{more}",
        table(("group", "images", "PSNR", "gain"), rows),
    ]


def _strengths(tested: TestScores, task: Task) -> list[str]:
    if not tested.strengths or task.corruption is None:
        return []
    rows = [
        (each.noise, f"{each.noisy_psnr:.2f}", f"{each.psnr:.2f}", f"{each.gain:+.2f}")
        for each in tested.strengths
    ]
    return [
        "## Other strengths of the noise",
        f"It was trained for one: {task.corruption.words}. On the same test images with others:",
        table(("noise", "noisy input", "restored", "gain"), rows),
    ]


def _selection(selection: Selection, plan: Plan) -> str:
    seeds, searched = plan.request.seeds, plan.opened.data.counts["train"]
    metric = plan.opened.study.search.objective.shown
    rows = [
        (
            str(each.trial),
            f"{each.parameters:,}",
            metric.digits(each.mean),
            " ".join(map(metric.digits, selection.by_seed[each.trial])),
            f"{metric.digits(each.behind.mean)} ({signed_interval(each.behind, metric)})",
        )
        for each in selection.verdict.ranking
    ]
    return "\n\n".join(
        [
            f"The {len(plan.contenders)} best trials were trained again with {seeds} seeds each on "
            f"the search's {searched:,} training images, and compared on {selection.images:,} "
            f"validation images: {selection.verdict.reason}.",
            table(("trial", "parameters", metric.short, "with each seed", "behind the best"), rows),
        ]
    )


def _limits(task: Task, model: ModelConfig, shape: ImageShape) -> str:
    lines = [
        "- The scores hold for images like the test images. Others, above all of another size, "
        "contrast or content, may be restored worse, and details may be invented.",
        "- The intervals say how far other test images would move the scores; they say nothing of "
        "training again.",
    ]
    if not task.data.paired:
        lines.append(
            "- The noise was made by a program. A camera's differs: a score on pictures of that "
            "camera, noisy and clean, is the only proof."
        )
    if (size := model.size(shape)) is not None:
        what = model.words[0].upper() + model.words[1:]
        lines.append(f"- {what} takes images of {size[0]}×{size[1]} only; others are tiled.")
    return "\n".join(lines)


def _usage(study: str) -> str:
    return (
        "```python\nimport autoencoder_hpo\n\n"
        f'restored = autoencoder_hpo.load_denoiser("{study}.denoiser")(noisy)\n```\n\n'
        f"`autoencoder-hpo denoise {study}.denoiser noisy/ restored/` restores folders; "
        "`model.onnx` needs neither this package nor torch."
    )


def _reproduce(result: Finalized, plan: Plan) -> str:
    request, winner = plan.request, result.winner
    epochs = "" if request.epochs is None else f" --epochs {request.epochs}"
    return (
        f"`autoencoder-hpo finalize {result.study} --top {request.top} --seeds {request.seeds}"
        f"{epochs}`, on the study that `config.json` names. Trial {winner.trial} was trained on "
        f"all training images for {winner.epochs} epochs, of which number {winner.best_epoch} was "
        "the best on validation. On the same machine, with the same versions and number of "
        "threads, the weights are the same bit for bit."
    )
