"""Putting pictures, plots and notes into the study, where the dashboard finds them.

Trials get theirs from the worker that trained them: the files first, then their rows together
with the trial's result. The study's own are made anew by whichever worker gets there.
Nothing here is worth a trial's result: what cannot be stored is said, and the trial goes on.
"""

import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial
from PIL import Image
from torch import Tensor

from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.diagnosis.study import diagnose
from autoencoder_hpo.showcase import plots
from autoencoder_hpo.showcase.notes import study_note, trial_note
from autoencoder_hpo.showcase.pictures import (
    Row,
    curves,
    gallery,
    pixels,
    png,
    restoration,
    strip,
    unstrip,
)
from autoencoder_hpo.showcase.preview_images import Probes
from autoencoder_hpo.showcase.store import (
    CLEAN,
    CROPS,
    CURVES,
    GALLERY,
    NOISY,
    PANEL,
    ArtifactStore,
    crops_artifact,
    gallery_artifact,
    trial_artifact,
)
from autoencoder_hpo.storage.status import summary, trial_record
from autoencoder_hpo.storage.study import StudyHandle, best_first
from autoencoder_hpo.text import db, score

log = logging.getLogger(__name__)

SHOWN = "shown"  # the study attribute that says what its pictures show
EVERY_S = 15.0  # between two refreshes of a study's pictures
BEST = 8  # trials in the gallery
FINDINGS = 3  # in the note
HISTORY_PLOT, SIZES_PLOT = "psnr-of-trials", "psnr-against-size"
NO_PICTURES = "no_pictures"  # the trial attribute that says why it has none
PIECE = 50_000  # characters of a text in one attribute


# ---- a trial ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """What a trial shows: the PNG of its restorations, and what the study must know of it."""

    sheet: bytes | None
    rows: dict[str, str]
    no_pictures: str | None


def show_trial(
    opened: StudyHandle,
    trial: FrozenTrial,
    *,
    store: ArtifactStore,
    probes: Probes,
    restored: Tensor | None,
) -> Shown:
    """Store a trial's pictures and its note.

    Args:
        trial: as it is about to be told.
        restored: the probes' crops as its best epoch restores them, [P, C, h, w]; None when it
            has no finite epoch.
    """
    record = trial_record(trial)
    data = opened.data
    sheet, refused = None, None
    rows: dict[str, str] = {}

    def keep(file: str, encoded: bytes) -> None:
        artifact = trial_artifact(data["uid"], trial.number, file)
        store.write(artifact, io.BytesIO(encoded))
        rows.update([_artifact_row(artifact, file)])

    try:
        if restored is not None:
            captions = _captions(data["noisy"]["psnr"], record)
            sheet = png(restoration(probes, restored, captions))
            keep(PANEL, sheet)
            crops = trial_artifact(data["uid"], trial.number, CROPS)
            store.write(crops, io.BytesIO(png(strip(pixels(restored)))))
        if record["history"]:
            keep(CURVES, png(curves(record["history"], data["noisy"])))
    except Exception as error:  # stores raise errors of their own: full, missing, not allowed
        refused = " ".join(str(error).split()) or type(error).__name__
        log.warning("no pictures of trial %d: %s", trial.number, refused)
    artifacts = [key.removeprefix("artifacts:") for key in rows]
    _write_trial_note(opened, trial._trial_id, {**record, "no_pictures": refused}, artifacts)
    return Shown(sheet, rows, refused)


def note_failure(opened: StudyHandle, trial: FrozenTrial) -> None:
    """The note of a trial that has nothing to show."""
    _write_trial_note(opened, trial._trial_id, trial_record(trial), [])


def _write_trial_note(
    opened: StudyHandle, trial_id: int, record: dict[str, Any], pictures: list[str]
) -> None:
    shown = [f"{artifact}.png" for artifact in pictures]
    metric = opened.study.search.objective
    note = trial_note(record, opened.data["noisy"]["psnr"], shown, metric=metric)
    _write_note(opened, f"dashboard:{trial_id}:", note)


def _captions(noisy_psnr: float | None, record: dict[str, Any]) -> dict[str, str]:
    restored = (record["scores"] or {}).get("val_psnr")
    known = {"noisy": noisy_psnr, "restored": restored}
    return {title: f"{value:.1f} dB" for title, value in known.items() if value is not None}


def _artifact_row(artifact: str, file: str) -> tuple[str, str]:
    """What `optuna.artifacts.upload_artifact` (5.0) writes."""
    row = {"artifact_id": artifact, "filename": file, "mimetype": "image/png", "encoding": None}
    return f"artifacts:{artifact}", json.dumps(row)


# ---- the study -------------------------------------------------------------------------


def refresh(
    opened: StudyHandle, *, store: ArtifactStore, probes: Probes, last: bool = False
) -> None:
    """Bring the study's gallery, plots and note up to date: one worker at a time, and not often.

    `last`: nothing is left to do, so that it is done now or never.
    """
    with opened.storage.locked(f"show {opened.name}", wait=last) as held:
        if not held:
            return
        trials = [trial for trial in opened.trials() if trial.state.is_finished()]
        shown = opened.attr(SHOWN) or {"finished": 0, "at": 0.0, "turn": 0}
        now = opened.storage.now()
        if shown["finished"] == len(trials) or (now - shown["at"] < EVERY_S and not last):
            return
        turn = shown["turn"] + 1
        _show_study(opened, trials, store, probes, turn)
        opened.set_attrs(**{SHOWN: {"finished": len(trials), "at": now, "turn": turn}})


def _show_study(
    opened: StudyHandle,
    finished: Sequence[FrozenTrial],
    store: ArtifactStore,
    probes: Probes,
    turn: int,
) -> None:
    records = [trial_record(trial) for trial in finished]
    metric = opened.study.search.objective.shown
    noisy, affine = ((opened.data.get(what) or {}).get(metric.key) for what in ("noisy", "affine"))
    _write_plot(opened, HISTORY_PLOT, plots.history(records, noisy, affine, metric=metric))
    _write_plot(opened, SIZES_PLOT, plots.sizes(records, noisy, affine, metric=metric))
    pictures = []
    try:
        # Another address each time: a page fetches it anew.
        kept = _keep_gallery(opened, finished, store, probes)
        pictures = [f"{gallery}.png?{turn}" for gallery in kept]
    except Exception as error:  # as for a trial's pictures
        log.warning("no gallery of %s: %s", opened.name, " ".join(str(error).split()))
    found = _findings(opened)
    note = study_note(summary(opened), opened.study.description, pictures, found)
    _write_note(opened, "dashboard:", note)


def _findings(opened: StudyHandle) -> list[tuple[str, str]]:
    """The surest findings, in a line each."""
    try:
        found = diagnose(Facts.of(opened))[:FINDINGS]
    except Exception as error:  # a note without a diagnosis is better than none
        log.warning("no diagnosis of %s: %s", opened.name, " ".join(str(error).split()))
        return []
    return [(each.kind, f"{each.seen} {each.remedy}") for each in found]


def _keep_gallery(
    opened: StudyHandle, finished: Sequence[FrozenTrial], store: ArtifactStore, probes: Probes
) -> list[str]:
    """The best trials on the same crops; nothing before there is one."""
    best = _best_rows(opened, finished, store, probes)
    if not best:
        return []
    data = opened.data
    known: list[Row] = [
        ("clean", "", probes.clean),
        ("noisy", db(data["noisy"]["psnr"]), probes.noisy),
    ]
    artifact = gallery_artifact(data["uid"])
    store.write(artifact, io.BytesIO(png(gallery([*known, *best]))))
    for file, crops in ((CLEAN, probes.clean), (NOISY, probes.noisy)):  # what a report shows
        store.write(crops_artifact(data["uid"], file), io.BytesIO(png(strip(pixels(crops)))))
    row = dict([_artifact_row(artifact, GALLERY)])
    opened.storage.write_attrs("study_system", opened.number, row)
    return [artifact]


def _best_rows(
    opened: StudyHandle, finished: Sequence[FrozenTrial], store: ArtifactStore, probes: Probes
) -> Sequence[Row]:
    metric = opened.study.search.objective
    best = best_first(finished, metric)
    rows: list[Row] = []
    for trial in best[:BEST]:
        artifact = trial_artifact(opened.data["uid"], trial.number, CROPS)
        try:
            with store.open_reader(artifact) as file, Image.open(file) as picture:
                crops = unstrip(picture, len(probes.index))
        except (ArtifactNotFound, OSError, ValueError):  # never stored, or damaged
            continue
        kind = trial.user_attrs["config"]["model"]["kind"]
        said = score(trial.user_attrs, metric)
        rows.append((f"trial {trial.number}", f"{kind}, {said}", crops))
    return rows


# ---- texts, as optuna-dashboard (0.21) keeps them --------------------------------------


def _write_note(opened: StudyHandle, prefix: str, text: str) -> None:
    pieces = _pieces(opened, f"{prefix}note_str:", text)
    before = _stored(opened, f"{prefix}note_ver").get(f"{prefix}note_ver", 0)
    pieces[f"{prefix}note_ver"] = before + 1
    opened.storage.write_attrs("study_system", opened.number, pieces)


def _write_plot(opened: StudyHandle, name: str, figure: dict[str, Any]) -> None:
    pieces = _pieces(opened, f"dashboard:plot_data:{name}:", json.dumps(figure))
    opened.storage.write_attrs("study_system", opened.number, pieces)


def _pieces(opened: StudyHandle, prefix: str, text: str) -> dict[str, Any]:
    """Text in numbered attributes; those that a longer text has left are emptied."""
    left = dict.fromkeys(_stored(opened, prefix), "")
    starts = range(0, len(text), PIECE)
    return left | {f"{prefix}{n}": text[at : at + PIECE] for n, at in enumerate(starts)}


def _stored(opened: StudyHandle, prefix: str) -> dict[str, Any]:
    """The study's own attributes of Optuna's whose names begin so."""
    found = opened.storage.rows(
        "select key, value_json from study_system_attributes "
        "where study_id = :study and substr(key, 1, :length) = :prefix",
        study=opened.number,
        length=len(prefix),
        prefix=prefix,
    )
    return {key: json.loads(value) for key, value in found}
