"""A trial's pictures and its note, from the worker that trained it.

The files come first, then their rows together with the trial's result. Nothing here is worth a
result: what cannot be stored is said, and the trial goes on.
"""

import io
import logging
from dataclasses import dataclass, replace

from torch import Tensor

from autoencoder_hpo.showcase.notes import trial_note
from autoencoder_hpo.showcase.pictures import curves, pixels, png, restoration, strip
from autoencoder_hpo.showcase.preview_images import Probes
from autoencoder_hpo.showcase.store import (
    CROPS,
    CURVES,
    PANEL,
    ArtifactStore,
    artifact_row,
    trial_artifact,
)
from autoencoder_hpo.showcase.texts import write_note
from autoencoder_hpo.storage.records import StoredTrial, TrialRecord
from autoencoder_hpo.storage.study import StudyHandle

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a trial shows: the PNG of its restorations, and what the study must know of it."""

    sheet: bytes | None
    rows: dict[str, str]
    no_pictures: str | None


def show_trial(
    opened: StudyHandle,
    trial: StoredTrial,
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
    record, data = trial.record, opened.data
    sheet, refused = None, None
    rows: dict[str, str] = {}

    def keep(file: str, encoded: bytes) -> None:
        artifact = trial_artifact(data.uid, trial.number, file)
        store.write(artifact, io.BytesIO(encoded))
        rows.update([artifact_row(artifact, file)])

    try:
        if restored is not None:
            captions = _captions(data.noisy.psnr, record)
            sheet = png(restoration(probes, restored, captions))
            keep(PANEL, sheet)
            crops = trial_artifact(data.uid, trial.number, CROPS)
            store.write(crops, io.BytesIO(png(strip(pixels(restored)))))
        if record.epochs:
            keep(CURVES, png(curves(record.epochs, data.noisy)))
    except Exception as error:  # stores raise errors of their own: full, missing, not allowed
        refused = " ".join(str(error).split()) or type(error).__name__
        log.warning("no pictures of trial %d: %s", trial.number, refused)
    artifacts = [key.removeprefix("artifacts:") for key in rows]
    told = replace(trial, record=replace(record, no_pictures=refused))
    _write_trial_note(opened, told, artifacts)
    return Shown(sheet, rows, refused)


def note_failure(opened: StudyHandle, trial: StoredTrial) -> None:
    """The note of a trial that has nothing to show."""
    _write_trial_note(opened, trial, [])


def _write_trial_note(opened: StudyHandle, trial: StoredTrial, pictures: list[str]) -> None:
    shown = [f"{artifact}.png" for artifact in pictures]
    metric = opened.study.search.objective
    note = trial_note(trial, opened.data.noisy.psnr, shown, metric=metric)
    write_note(opened, f"dashboard:{trial.optuna._trial_id}:", note)


def _captions(noisy_psnr: float | None, record: TrialRecord) -> dict[str, str]:
    restored = None if record.scores is None else record.scores.val_psnr
    known = {"noisy": noisy_psnr, "restored": restored}
    return {title: f"{value:.1f} dB" for title, value in known.items() if value is not None}
