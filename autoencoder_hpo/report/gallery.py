"""The stored pictures of a study, as data URIs: a page that shows them needs no other file."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.showcase.pictures import png
from autoencoder_hpo.showcase.preview_images import CROP
from autoencoder_hpo.showcase.store import (
    CLEAN,
    CROPS,
    NOISY,
    PANEL,
    ArtifactStore,
    crops_artifact,
    trial_artifact,
)
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study_records import StudyData
from autoencoder_hpo.text import db, score

TRIALS = 6
"""Trials in the gallery: with 128×128 crops in color they are about a megabyte."""
LOSSLESS, LOSSLESS_PANEL = 8_000, 100_000
"""Bytes of a PNG above which a picture becomes a JPEG: noise has no small PNG."""
CROP_QUALITY, PANEL_QUALITY = 90, 80
"""Of a JPEG. So the noisiest pictures in color leave the page below 5 MB."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The same validation crops in one row, typical ones first, then the hardest."""

    title: str
    caption: str
    crops: Sequence[str]
    """Data URIs."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """`panel`: noisy, restored, clean and error of the best trial; None where none is stored."""

    strips: Sequence[Strip]
    panel: str | None


def read_gallery(
    best: Sequence[StoredTrial], data: StudyData, store: ArtifactStore, metric: Metric
) -> Gallery:
    """What the store still has of the best trials' pictures; what it has not is left out.

    Args:
        best: the complete trials, best first.
    """
    uid, noisy = data.uid, data.noisy.psnr
    known = [
        ("clean", "", crops_artifact(uid, CLEAN)),
        ("noisy", "" if noisy is None else db(noisy), crops_artifact(uid, NOISY)),
    ]
    trials = [
        (*_named(trial, metric), trial_artifact(uid, trial.number, CROPS))
        for trial in best[:TRIALS]
    ]
    wide = min(CROP, data.shape[-1])
    strips = [
        Strip(title, caption, _crops(picture, wide))
        for title, caption, artifact in [*known, *trials]
        if (picture := _read(artifact, store)) is not None
    ]
    panel = _read(trial_artifact(uid, best[0].number, PANEL), store) if best else None
    return Gallery(strips, None if panel is None else panel_uri(panel))


def _named(trial: StoredTrial, metric: Metric) -> tuple[str, str]:
    known = Metric.VAL_PSNR.found_in(trial.record)
    said = trial.kind if known is None else f"{trial.kind}, {score(metric, trial.record)}"
    return f"trial {trial.number}", said


def _crops(strip: Image.Image, wide: int) -> list[str]:
    lefts = range(0, strip.width - wide + 1, wide)
    crops = [strip.crop((left, 0, left + wide, strip.height)) for left in lefts]
    return [crop_uri(crop) for crop in crops]


def _read(artifact: str, store: ArtifactStore) -> Image.Image | None:
    """None for a picture that was never stored, is damaged, or cannot be reached."""
    try:
        with store.open_reader(artifact) as file, Image.open(file) as picture:
            return picture.copy()
    except Exception:  # each store raises its own; a report without pictures is one all the same
        return None


def crop_uri(crop: Image.Image) -> str:
    return _uri(crop, LOSSLESS, CROP_QUALITY)


def panel_uri(panel: Image.Image) -> str:
    return _uri(panel, LOSSLESS_PANEL, PANEL_QUALITY)


def _uri(picture: Image.Image, lossless: int, quality: int) -> str:
    """A PNG, or a JPEG where that has more than so many bytes."""
    kind, encoded = "png", png(picture)
    if len(encoded) > lossless:
        file = io.BytesIO()
        picture.save(file, format="JPEG", quality=quality)
        kind, encoded = "jpeg", file.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"
