"""Putting pictures, plots and notes into the study, where the dashboard finds them.

Trials get theirs from the worker that trained them: the files first, then their rows together
with the trial's result. The study's own are made anew by whichever worker gets there.
Nothing here is worth a trial's result: what cannot be stored is said, and the trial goes on.
"""

import io
import logging
from collections.abc import Sequence

from optuna.artifacts.exceptions import ArtifactNotFound
from PIL import Image

from autoencoder_hpo.diagnosis.facts import facts_of
from autoencoder_hpo.diagnosis.study import diagnose
from autoencoder_hpo.showcase import plots
from autoencoder_hpo.showcase.notes import study_note
from autoencoder_hpo.showcase.pictures import (
    Row,
    gallery,
    pixels,
    png,
    strip,
    unstrip,
)
from autoencoder_hpo.showcase.preview_images import Probes
from autoencoder_hpo.showcase.store import (
    CLEAN,
    CROPS,
    GALLERY,
    NOISY,
    ArtifactStore,
    artifact_row,
    crops_artifact,
    gallery_artifact,
    trial_artifact,
)
from autoencoder_hpo.showcase.texts import write_note, write_plot
from autoencoder_hpo.storage.records import StoredTrial, stored
from autoencoder_hpo.storage.status import summary
from autoencoder_hpo.storage.study import StudyHandle, best_first
from autoencoder_hpo.storage.study_records import ShownState
from autoencoder_hpo.text import db, score

log = logging.getLogger(__name__)

EVERY_S = 15.0  # between two refreshes of a study's pictures
BEST = 8  # trials in the gallery
FINDINGS = 3  # in the note
HISTORY_PLOT, SIZES_PLOT = "psnr-of-trials", "psnr-against-size"


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
        shown, now = opened.record().shown, opened.storage.now()
        if shown.finished == len(trials) or (now - shown.at < EVERY_S and not last):
            return
        turn = shown.turn + 1
        _show_study(opened, stored(trials), store, probes, turn)
        opened.write(shown=ShownState(finished=len(trials), at=now, turn=turn))


def _show_study(
    opened: StudyHandle,
    finished: Sequence[StoredTrial],
    store: ArtifactStore,
    probes: Probes,
    turn: int,
) -> None:
    metric, data = opened.study.search.objective.shown, opened.data
    noisy, affine = (
        data.noisy.by(metric),
        None if data.affine is None else data.affine.level.by(metric),
    )
    write_plot(opened, HISTORY_PLOT, plots.history(finished, noisy, affine, metric=metric))
    write_plot(opened, SIZES_PLOT, plots.sizes(finished, noisy, affine, metric=metric))
    pictures = []
    try:
        # Another address each time: a page fetches it anew.
        kept = _keep_gallery(opened, finished, store, probes)
        pictures = [f"{gallery}.png?{turn}" for gallery in kept]
    except Exception as error:  # as for a trial's pictures
        log.warning("no gallery of %s: %s", opened.name, " ".join(str(error).split()))
    found = _findings(opened)
    note = study_note(summary(opened), opened.study.description, pictures, found)
    write_note(opened, "dashboard:", note)


def _findings(opened: StudyHandle) -> list[tuple[str, str]]:
    """The surest findings, in a line each."""
    try:
        found = diagnose(facts_of(opened))[:FINDINGS]
    except Exception as error:  # a note without a diagnosis is better than none
        log.warning("no diagnosis of %s: %s", opened.name, " ".join(str(error).split()))
        return []
    return [(each.kind, f"{each.seen} {each.remedy}") for each in found]


def _keep_gallery(
    opened: StudyHandle, finished: Sequence[StoredTrial], store: ArtifactStore, probes: Probes
) -> list[str]:
    """The best trials on the same crops; nothing before there is one."""
    best = _best_rows(opened, finished, store, probes)
    if not best:
        return []
    data = opened.data
    known: list[Row] = [
        ("clean", "", probes.clean),
        ("noisy", db(data.noisy.psnr), probes.noisy),
    ]
    artifact = gallery_artifact(data.uid)
    store.write(artifact, io.BytesIO(png(gallery([*known, *best]))))
    for file, crops in ((CLEAN, probes.clean), (NOISY, probes.noisy)):  # what a report shows
        store.write(crops_artifact(data.uid, file), io.BytesIO(png(strip(pixels(crops)))))
    row = dict([artifact_row(artifact, GALLERY)])
    opened.storage.write_attrs("study_system", opened.number, row)
    return [artifact]


def _best_rows(
    opened: StudyHandle, finished: Sequence[StoredTrial], store: ArtifactStore, probes: Probes
) -> Sequence[Row]:
    metric = opened.study.search.objective
    best = best_first(finished, metric)
    rows: list[Row] = []
    for trial in best[:BEST]:
        artifact = trial_artifact(opened.data.uid, trial.number, CROPS)
        try:
            with store.open_reader(artifact) as file, Image.open(file) as picture:
                crops = unstrip(picture, len(probes.index))
        except (ArtifactNotFound, OSError, ValueError):  # never stored, or damaged
            continue
        said = f"{trial.kind}, {score(metric, trial.record)}"
        rows.append((f"trial {trial.number}", said, crops))
    return rows
