"""Where files live: a trial's folder on this machine, and the artifact store that all share.

The folder holds what goes on here (checkpoints) or is looked at here. The store holds what the
dashboard shows, whichever machine it runs on: a directory, or a bucket by URL.
"""

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID, uuid5

from optuna.artifacts import FileSystemArtifactStore

from autoencoder_hpo.errors import DiskError
from autoencoder_hpo.files import write_atomically
from autoencoder_hpo.settings import Settings

CHECKPOINT = "checkpoint.pt"
PANEL = "restored.png"
CURVES = "curves.png"
CROPS = "crops.png"
"""The restored crops alone, of which the study's gallery is made; not listed as an artifact."""
TRIAL_FILES = (PANEL, CURVES, CROPS)
GALLERY = "gallery.png"
CLEAN, NOISY = "clean.png", "noisy.png"
"""The same crops before and after the noise, once for a study; not listed as artifacts."""

_NAMES = UUID("6f1c2f5e-0e0b-4d0a-9d0e-4a1f0c9b7c11")


def study_directory(settings: Settings, name: str, uid: str) -> Path:
    """Two databases on one machine may each have a study of this name: the uid tells them apart."""
    return settings.trials / f"{name}-{uid}"


def trial_directory(settings: Settings, name: str, uid: str, number: int) -> Path:
    return study_directory(settings, name, uid) / f"{number:05d}"


def remove_files(settings: Settings, uid: str, trials: int) -> None:
    """Remove what a study of so many trials has left on this machine and in the store.

    What cannot be removed stays: the study is gone all the same.
    """
    for folder in settings.trials.glob(f"*-{uid}"):
        shutil.rmtree(folder, ignore_errors=True)
    store = open_store(settings)
    for artifact in stored_files(uid, trials):
        with suppress(Exception):  # most were never stored, and each store raises its own
            store.remove(artifact)


# ---- the store that all machines share -------------------------------------------------


class ArtifactStore(Protocol):
    """What Optuna's stores have in common; each raises errors of its own."""

    def open_reader(self, artifact_id: str) -> BinaryIO: ...

    def write(self, artifact_id: str, content_body: BinaryIO) -> None: ...

    def remove(self, artifact_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Directory:
    """Optuna's directory store; a reader never sees half a file, and a full disk leaves none."""

    path: Path

    def open_reader(self, artifact_id: str) -> BinaryIO:
        return FileSystemArtifactStore(self.path).open_reader(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with write_atomically(self.path / artifact_id) as file:
            shutil.copyfileobj(content_body, file)

    def remove(self, artifact_id: str) -> None:
        FileSystemArtifactStore(self.path).remove(artifact_id)


@cache
def open_store(settings: Settings) -> ArtifactStore:
    """The store that AUTOENCODER_HPO_ARTIFACTS names: a directory, s3://BUCKET or gs://BUCKET.

    Raises:
        DiskError: the URL is of another kind, or the bucket's library is not installed.
    """
    url = settings.artifacts or str(settings.home / "artifacts")
    if "://" not in url:
        return Directory(Path(url).expanduser().absolute())
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if prefix or not bucket:
        raise DiskError(f"AUTOENCODER_HPO_ARTIFACTS={url}: write {scheme}://BUCKET, nothing after")
    match scheme:
        case "s3":
            return _bucket("Boto3ArtifactStore", bucket, "s3")
        case "gs":
            return _bucket("GCSArtifactStore", bucket, "gs")
        case _:
            raise DiskError(
                f"AUTOENCODER_HPO_ARTIFACTS={url}: must be a directory, s3://BUCKET or gs://BUCKET"
            )


def _bucket(kind: str, bucket: str, extra: str) -> ArtifactStore:
    import optuna.artifacts

    try:
        store: ArtifactStore = getattr(optuna.artifacts, kind)(bucket)
    except ImportError as error:
        raise DiskError(
            f"{extra}://{bucket} needs a library that is not installed; "
            f"pip install 'autoencoder-hpo[{extra}]'"
        ) from error
    except Exception as error:  # no region, no credentials: each library has its own
        reason = " ".join(str(error).split())
        raise DiskError(f"{extra}://{bucket} cannot be used: {reason}") from error
    return store


def trial_artifact(uid: str, number: int, file: str) -> str:
    """The id of a trial's file in the store: one place, also for a trial that is trained again."""
    return str(uuid5(_NAMES, f"{uid} trial {number} {file}"))


def gallery_artifact(uid: str) -> str:
    return str(uuid5(_NAMES, f"{uid} gallery"))


def crops_artifact(uid: str, file: str) -> str:
    """The id of the study's own crops: CLEAN or NOISY."""
    return str(uuid5(_NAMES, f"{uid} {file}"))


def stored_files(uid: str, trials: int) -> list[str]:
    """The ids of everything that a study of so many trials may have put into the store."""
    of_trials = [trial_artifact(uid, n, file) for n in range(trials) for file in TRIAL_FILES]
    of_study = [gallery_artifact(uid), *(crops_artifact(uid, file) for file in (CLEAN, NOISY))]
    return [*of_trials, *of_study]


def remove_checkpoints(settings: Settings, study: str, uid: str, trials: Iterable[int]) -> None:
    """Remove the checkpoints of these trials, where there still are any."""
    for number in trials:
        with suppress(OSError):
            (trial_directory(settings, study, uid, number) / CHECKPOINT).unlink()


def artifact_row(artifact: str, file: str) -> tuple[str, str]:
    """What `optuna.artifacts.upload_artifact` (5.0) writes."""
    row = {"artifact_id": artifact, "filename": file, "mimetype": "image/png", "encoding": None}
    return f"artifacts:{artifact}", json.dumps(row)
