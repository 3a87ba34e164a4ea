"""What a study came to, in words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.trial import TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Best
from autoencoder_hpo.storage.wording import BELOW_AFFINE, count_line
from autoencoder_hpo.text import ahead, duration, number, score, score_of

LONGEST = 300
"""Characters of an error that a table shows."""


def verdict(contents: Contents) -> tuple[str, str]:
    """How good the best denoiser is; how far the study is, and whether that may change."""
    best = contents.summary.best
    if best is None:
        return _nothing_yet(contents)
    return _best(contents.name, best, contents.objective), _standing(contents, best)


def _best(name: str, best: Best, metric: Metric) -> str:
    said = (
        f"The best denoiser of {name} is trial {best.number}, {_a(best.trial.kind)} of "
        f"{number(best.trial.record.parameters)} parameters: it restores the validation images to "
        f"{score(metric, best.scores)}"
    )
    gains = [
        ahead(gain, of)
        for gain, of in (
            (best.psnr_gain, "the noisy input"),
            (best.affine_gain, "the affine filter"),
        )
        if gain is not None
    ]
    return f"{said}, {' and '.join(gains)}." if gains else f"{said}."


def _a(noun: str) -> str:
    return f"an {noun}" if noun.startswith("m") else f"a {noun}"  # an em-el-pee


def _standing(contents: Contents, best: Best) -> str:
    if best.affine_gain is not None and best.affine_gain < 0:
        return BELOW_AFFINE.partition(". ")[0] + "."
    known, counts = contents.summary, count_line(contents.summary)
    match known.state:
        case "done":
            return f"The study is done: {counts}."
        case "plateau":
            return f"The search came to a standstill, and ended: {counts}."
        case "timed out":
            return f"The study's time is over: {counts}."
        case "paused" | "stopped":
            why = "" if known.halt is None else f" ({known.halt.reason})"
            return f"The study is {known.state}{why}: {counts}."
        case _:
            return f"The study is not finished, so that this may change: {counts}."


def _nothing_yet(contents: Contents) -> tuple[str, str]:
    counts = count_line(contents.summary)
    first = f"No trial of {contents.name} is complete yet: {counts}."
    failures = reasons(contents.trials, TrialState.FAIL)
    if failures:
        return first, f"Most failures say: {clipped(next(iter(failures)))}."
    if contents.summary.counts.running:
        return first, "It is running; look again later."
    return first, f"To go on: autoencoder-hpo resume {contents.name}."


def reasons(trials: Sequence[StoredTrial], state: TrialState) -> dict[str, list[int]]:
    """Why trials ended in this state: each reason with their numbers, the most frequent first."""
    found: dict[str, list[int]] = {}
    for trial in trials:
        if trial.state is state:
            found.setdefault(trial.record.reason or "no reason was stored", []).append(trial.number)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def saving(contents: Contents) -> str:
    """What pruning saved, in a sentence."""
    saved = contents.saved
    if contents.facts.study.search.pruner.kind == "none":
        return "The study has no pruner: trials train to their end."
    if not saved.pruned:
        return "The pruner ended no trial."
    return (
        f"The {contents.facts.study.search.pruner.kind} pruner ended "
        f"{counted(saved.pruned, 'trial')}: {saved.epochs_left:,} epochs, about "
        f"{duration(saved.seconds_left)} of training, were not trained. That is {saved.share:.0%} "
        "of what all trials would have taken."
    )


def no_findings(contents: Contents) -> str:
    """What an empty diagnosis means."""
    if contents.summary.best is None:
        return "No trial is complete yet: only the images can be judged, and they are fine."
    return "Nothing was found that holds this study back."


def audited(contents: Contents) -> str | None:
    """What an audit of the pruner came to; None where there was none."""
    metric, audit = contents.objective, contents.facts.audit
    finished = [(each, each.value) for each in audit if each.value is not None]
    if not finished:
        return None
    top, value = min(finished, key=lambda pair: metric.rank(pair[1]))
    own = top.psnr if metric.seen_as_psnr else value
    said = (
        f"An audit finished {counted(len(audit), 'pruned trial')}: the best of them, "
        f"trial {top.trial}, reached {score_of(metric, own, top.psnr)}"
    )
    mark = contents.summary.best_by(metric.shown)
    if own is None or mark is None:
        return f"{said}."
    return f"{said}, {_beside(own, mark, metric)}."


def _beside(own: float, mark: float, metric: Metric) -> str:
    """A finished trial beside the best one, in what people see."""
    if metric.seen_as_psnr:
        return ahead(own - mark, "the best denoiser")
    by = metric.ahead(own, mark)
    side = "better" if by >= 0 else "worse"
    return f"{metric.by(abs(by))} {side} than the best denoiser"


def moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M UTC")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Parameters by their last words: as many as tell them apart; `kind` alone says nothing."""
    known = list(names)
    return {name: _short(name, [other for other in known if other != name]) for name in known}


def _short(name: str, others: Sequence[str]) -> str:
    words = name.split(".")
    for last in range(2 if words[-1] == "kind" else 1, len(words) + 1):
        tail = words[-last:]
        if not any(other.split(".")[-last:] == tail for other in others):
            return ".".join(tail)
    return name


def value(given: Any) -> str:
    """A parameter's value, as people write it."""
    return f"{given:.4g}" if isinstance(given, float) else str(given)


def tried(params: Mapping[str, Any]) -> str:
    """The parameters of a trial, in a line."""
    names = short_names(params)
    return ", ".join(f"{names[name]} {value(given)}" for name, given in params.items())
