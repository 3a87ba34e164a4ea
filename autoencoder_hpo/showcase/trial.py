"""A trial's pictures and its note, from the worker that trained it.

The files come first, then their rows together with the trial's result. Nothing here is worth a
result: what cannot be stored is said, and the trial goes on.
"""

import io
import logging
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial
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
from autoencoder_hpo.storage.status import trial_record
from autoencoder_hpo.storage.study import StudyHandle

log = logging.getLogger(__name__)


NO_PICTURES = "no_pictures"  # the trial attribute that says why it has none


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
        rows.update([artifact_row(artifact, file)])

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
    write_note(opened, f"dashboard:{trial_id}:", note)


def _captions(noisy_psnr: float | None, record: dict[str, Any]) -> dict[str, str]:
    restored = (record["scores"] or {}).get("val_psnr")
    known = {"noisy": noisy_psnr, "restored": restored}
    return {title: f"{value:.1f} dB" for title, value in known.items() if value is not None}
