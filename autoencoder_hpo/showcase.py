"""Putting pictures, plots and notes into the study, where the dashboard finds them.

Trials get theirs from the worker that trained them, before it tells the study: Optuna takes no
artifacts for finished trials. The study's own are made anew by whichever worker gets there.
Nothing here is worth a trial's result: what cannot be stored is said, and the trial goes on.
"""

import io
import json
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import TrialState
from PIL import Image
from torch import Tensor

from autoencoder_hpo import plots
from autoencoder_hpo.artifacts import (
    CROPS,
    CURVES,
    GALLERY,
    PANEL,
    ArtifactStore,
    gallery_artifact,
    trial_artifact,
)
from autoencoder_hpo.ledger import DATA, OpenStudy
from autoencoder_hpo.notes import study_note, trial_note
from autoencoder_hpo.pictures import Row, curves, gallery, pixels, restoration, strip, unstrip
from autoencoder_hpo.probes import Probes
from autoencoder_hpo.screens import db
from autoencoder_hpo.status import summary, trial_record

log = logging.getLogger(__name__)

SHOWN = "shown"  # the study attribute that says what its pictures show
EVERY_S = 15.0  # between two refreshes of a study's pictures
BEST = 8  # trials in the gallery
HISTORY_PLOT, SIZES_PLOT = "psnr-of-trials", "psnr-against-size"
NO_PICTURES = "no_pictures"  # the trial attribute that says why it has none
PIECE = 50_000  # characters of a text in one attribute


# ---- a trial ---------------------------------------------------------------------------


def show_trial(
    opened: OpenStudy,
    trial_id: int,
    *,
    store: ArtifactStore,
    probes: Probes,
    restored: Tensor | None,
    state: str,
    reason: str | None,
) -> Image.Image | None:
    """Store a trial's pictures and its note; returns the picture of its restorations.

    Args:
        restored: the probes' crops as its best epoch restores them, [P, C, h, w]; None when it
            has no finite epoch.
    """
    record = _record(opened, trial_id, state, reason)
    noisy = opened.attr(DATA)["noisy"]
    keep = partial(_keep_trial_picture, opened, trial_id, record["number"], store)
    sheet, pictures = None, []
    try:
        if restored is not None:
            sheet = restoration(probes, restored, _captions(noisy["psnr"], record))
            pictures.append(keep(PANEL, sheet))
            crops = trial_artifact(opened.attr(DATA)["uid"], record["number"], CROPS)
            store.write(crops, _png(strip(pixels(restored))))
        if record["history"]:
            pictures.append(keep(CURVES, curves(record["history"], noisy)))
    except Exception as error:  # stores raise errors of their own: full, missing, not allowed
        record["no_pictures"] = " ".join(str(error).split()) or type(error).__name__
        opened.storage.optuna.set_trial_user_attr(trial_id, NO_PICTURES, record["no_pictures"])
        log.warning("no pictures of trial %d: %s", record["number"], record["no_pictures"])
    _write_trial_note(opened, trial_id, record, pictures)
    return sheet


def note_failure(opened: OpenStudy, trial_id: int, reason: str) -> None:
    """The note of a trial that has nothing to show."""
    _write_trial_note(opened, trial_id, _record(opened, trial_id, "failed", reason), [])


def _write_trial_note(
    opened: OpenStudy, trial_id: int, record: dict[str, Any], pictures: list[str]
) -> None:
    shown = [f"{artifact}.png" for artifact in pictures]
    note = trial_note(record, opened.attr(DATA)["noisy"]["psnr"], shown)
    _write_note(opened, f"dashboard:{trial_id}:", note)


def _record(opened: OpenStudy, trial_id: int, state: str, reason: str | None) -> dict[str, Any]:
    """The record that the trial is about to have."""
    record = trial_record(opened.storage.rdb.get_trial(trial_id))
    return {**record, "state": state, "reason": reason}


def _captions(noisy_psnr: float | None, record: dict[str, Any]) -> dict[str, str]:
    restored = (record["scores"] or {}).get("val_psnr")
    known = {"noisy": noisy_psnr, "restored": restored}
    return {title: f"{value:.1f} dB" for title, value in known.items() if value is not None}


def _keep_trial_picture(
    opened: OpenStudy,
    trial_id: int,
    number: int,
    store: ArtifactStore,
    file: str,
    picture: Image.Image,
) -> str:
    """The file first and its row after: Optuna's own order leaves rows of files that never came."""
    artifact = trial_artifact(opened.attr(DATA)["uid"], number, file)
    store.write(artifact, _png(picture))
    key, row = _artifact_row(artifact, file)
    opened.storage.optuna.set_trial_system_attr(trial_id, key, row)
    return artifact


def _artifact_row(artifact: str, file: str) -> tuple[str, str]:
    """What `optuna.artifacts.upload_artifact` (5.0) writes."""
    row = {"artifact_id": artifact, "filename": file, "mimetype": "image/png", "encoding": None}
    return f"artifacts:{artifact}", json.dumps(row)


def _png(picture: Image.Image) -> BinaryIO:
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    file.seek(0)
    return file


# ---- the study -------------------------------------------------------------------------


def refresh(opened: OpenStudy, *, store: ArtifactStore, probes: Probes, last: bool = False) -> None:
    """Bring the study's gallery, plots and note up to date: one worker at a time, and not often.

    `last`: nothing is left to do, so that it is done now or never.
    """
    with opened.storage.locked(f"show {opened.name}", wait=last) as held:
        if not held:
            return
        finished = sum(trial.state.is_finished() for trial in opened.trials())
        shown = opened.attr(SHOWN) or {"finished": 0, "at": 0.0, "turn": 0}
        now = opened.storage.now()
        if shown["finished"] == finished or (now - shown["at"] < EVERY_S and not last):
            return
        turn = shown["turn"] + 1
        _show_study(opened, store, probes, turn)
        mark = {"finished": finished, "at": now, "turn": turn}
        opened.optuna.set_user_attr(SHOWN, mark)


def _show_study(opened: OpenStudy, store: ArtifactStore, probes: Probes, turn: int) -> None:
    records = [trial_record(trial) for trial in opened.trials() if trial.state.is_finished()]
    noisy = opened.attr(DATA)["noisy"]["psnr"]
    _write_plot(opened, HISTORY_PLOT, plots.history(records, noisy))
    _write_plot(opened, SIZES_PLOT, plots.sizes(records, noisy))
    pictures = []
    try:
        # Another address each time: a page fetches it anew.
        pictures = [f"{gallery}.png?{turn}" for gallery in _keep_gallery(opened, store, probes)]
    except Exception as error:  # as for a trial's pictures
        log.warning("no gallery of %s: %s", opened.name, " ".join(str(error).split()))
    note = study_note(summary(opened), opened.study.description, pictures)
    _write_note(opened, "dashboard:", note)


def _keep_gallery(opened: OpenStudy, store: ArtifactStore, probes: Probes) -> list[str]:
    """The best trials on the same crops; nothing before there is one."""
    best = _best_rows(opened, store, probes)
    if not best:
        return []
    data, study = opened.attr(DATA), opened.optuna._study_id
    known: list[Row] = [
        ("clean", "", probes.clean),
        ("noisy", db(data["noisy"]["psnr"]), probes.noisy),
    ]
    artifact = gallery_artifact(data["uid"])
    store.write(artifact, _png(gallery([*known, *best])))
    key, row = _artifact_row(artifact, GALLERY)
    opened.storage.optuna.set_study_system_attr(study, key, row)
    return [artifact]


def _best_rows(opened: OpenStudy, store: ArtifactStore, probes: Probes) -> Sequence[Row]:
    complete = [t for t in opened.trials() if t.state is TrialState.COMPLETE]
    complete.sort(key=lambda trial: -trial.user_attrs["val_psnr"])
    rows: list[Row] = []
    for trial in complete[:BEST]:
        artifact = trial_artifact(opened.attr(DATA)["uid"], trial.number, CROPS)
        try:
            with store.open_reader(artifact) as file, Image.open(file) as picture:
                crops = unstrip(picture, len(probes.index))
        except (ArtifactNotFound, OSError, ValueError):  # never stored, or damaged
            continue
        kind = trial.user_attrs["config"]["model"]["kind"]
        psnr = trial.user_attrs["val_psnr"]
        rows.append((f"trial {trial.number}", f"{kind}, {db(psnr)}", crops))
    return rows


# ---- texts, as optuna-dashboard (0.21) keeps them --------------------------------------


def _write_note(opened: OpenStudy, prefix: str, text: str) -> None:
    study = opened.optuna._study_id
    attrs = opened.storage.optuna.get_study_system_attrs(study)
    _write_pieces(opened, f"{prefix}note_str:", text, attrs)
    version = attrs.get(f"{prefix}note_ver", 0) + 1
    opened.storage.optuna.set_study_system_attr(study, f"{prefix}note_ver", version)


def _write_plot(opened: OpenStudy, name: str, figure: dict[str, Any]) -> None:
    attrs = opened.storage.optuna.get_study_system_attrs(opened.optuna._study_id)
    _write_pieces(opened, f"dashboard:plot_data:{name}:", json.dumps(figure), attrs)


def _write_pieces(opened: OpenStudy, prefix: str, text: str, attrs: dict[str, Any]) -> None:
    """Text in numbered attributes; those that a longer text has left are emptied."""
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    before = sum(key.startswith(prefix) for key in attrs)
    pieces += [""] * (before - len(pieces))
    for number, piece in enumerate(pieces):
        key = f"{prefix}{number}"
        if attrs.get(key) != piece:
            opened.storage.optuna.set_study_system_attr(opened.optuna._study_id, key, piece)
