"""Markdown for the dashboard: what a trial tried and came to, and how a study stands."""

from collections.abc import Iterable, Sequence
from typing import Any

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.records import StoredTrial, TrialRecord
from autoencoder_hpo.storage.status import Summary
from autoencoder_hpo.storage.wording import BELOW_AFFINE, count_line, verdict
from autoencoder_hpo.text import db, gain, number, score, score_of

OUTCOMES = {
    "complete": "**{psnr}**, {gain} against the noisy input ({noisy}), best in epoch {best_epoch}",
    "pruned": "**Pruned:** {reason}. It had reached {psnr} ({gain} against the noisy input).",
    "fail": "**Failed:** {reason}",
}


def trial_note(
    trial: StoredTrial,
    noisy_psnr: float | None,
    pictures: Sequence[str] = (),
    *,
    metric: Metric,
) -> str:
    """A trial's note.

    Args:
        metric: what the study improves.
        pictures: names below /pictures/, to be shown below the first sentence.
        noisy_psnr: of the noisy validation images, in dB; None where nothing was corrupted.
    """
    record, psnr = trial.record, reached(trial.record, Metric.VAL_PSNR)
    said = OUTCOMES[trial.ending].format(
        psnr=score_of(metric, reached(record, metric.shown), psnr),
        gain=gain(None if psnr is None or noisy_psnr is None else psnr - noisy_psnr),
        noisy=db(noisy_psnr),
        reason=one_line(record.reason or "no reason was stored"),
        best_epoch=record.best_epoch,
    )
    facts = [
        ("parameters", f"{record.parameters:,}" if record.parameters else None),
        ("seconds of training", record.seconds),
        ("device", record.device),
        ("worker", record.worker),
        ("no pictures", record.no_pictures),
    ]
    tried = [(f"`{name}`", f"{_short(value)}") for name, value in trial.params.items()]
    facts = [(name, value) for name, value in facts if value]
    return "\n\n".join(
        [said, *map(_picture, pictures), _table("tried", tried), _table("trial", facts)]
    )


def reached(record: TrialRecord, metric: Metric) -> float | None:
    """What the trial came to by this metric: a complete one's score, else the best of any epoch.

    None before the first epoch.
    """
    if record.scores is not None:
        return metric.found_in(record.scores)
    known = (metric.found_in(epoch) for epoch in record.epochs)
    return metric.best(value for value in known if value is not None)


def study_note(
    known: Summary,
    description: str,
    pictures: Sequence[str] = (),
    findings: Sequence[tuple[str, str]] = (),
) -> str:
    """A study's note, with pictures as for a trial.

    Args:
        findings: what holds the study back: a kind, and a line on it.
    """
    best, noisy, affine = known.best, known.noisy, known.affine
    lines = [one_line(description)] if description else []
    lines.append(f"**{known.state}**: {count_line(known)}")
    if known.halt:
        lines.append(f"**{known.halt.kind.capitalize()}:** {one_line(known.halt.reason)}")
    if BELOW_AFFINE in verdict(known):
        lines.append(f"**Below the affine filter:** {BELOW_AFFINE}")
    scores = [("noisy input", db(noisy.psnr))]
    if affine is not None:
        over = gain(affine.over(noisy))
        scores.append(("affine filter", f"{db(affine.psnr)} ({over})"))
    if best:
        scores.append(
            (
                f"best denoiser, trial {best.number}",
                f"**{score(known.objective, best.scores)}** ({gain(best.psnr_gain)}), "
                f"{number(best.trial.record.parameters)} parameters",
            )
        )
    lines.append(_table("validation images, mean PSNR", scores))
    if findings:
        found = [f"- **{one_line(kind)}**: {one_line(said)}" for kind, said in findings]
        lines.append("\n".join(["**Diagnosis**", "", *found]))
    return "\n\n".join([*lines, *map(_picture, pictures)])


def _picture(name: str) -> str:
    return f"![picture](/pictures/{name})"


def _table(title: str, rows: list[tuple[str, Any]]) -> str:
    return "\n".join(
        [f"| {title} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def one_line(text: str) -> str:
    """Text that Markdown shows as it is: no line breaks, links, pictures or tags."""
    return " ".join(text.split()).translate({ord(sign): f"\\{sign}" for sign in "\\`*_[]<>|!#"})
