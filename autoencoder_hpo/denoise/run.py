"""The work: one file after the other, and what became of each."""

import errno
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray

from autoencoder_hpo.data.pixels import one_line
from autoencoder_hpo.denoise.compare import Scores, compare, find_partner
from autoencoder_hpo.denoise.denoiser import Denoiser
from autoencoder_hpo.denoise.images import Images
from autoencoder_hpo.denoise.jobs import Job, obstacle, originals
from autoencoder_hpo.denoise.noise import middle, noise_remark
from autoencoder_hpo.denoise.plan import plan_tiles
from autoencoder_hpo.denoise.reading import read_images
from autoencoder_hpo.denoise.restoring import Progress, channel_remark, restore_stored
from autoencoder_hpo.denoise.value_range import ValueRange, find_span
from autoencoder_hpo.denoise.writing import write_out
from autoencoder_hpo.errors import DataError, DiskError
from autoencoder_hpo.files import write_atomically

_NO_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about an image that the user should know."""

    kind: Literal["format", "channels", "range", "noise", "memory", "clean"]
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    job: Job
    failure: str | None = None
    """Why it was not restored, in one line."""
    remarks: tuple[Remark, ...] = ()
    scores: Scores | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for beside the files."""

    overwrite: bool = False
    batch: int | None = None
    clean: Path | None = None
    """A folder of clean images to compare with."""


def denoise_all(
    denoiser: Denoiser,
    jobs: Sequence[Job],
    wishes: Wishes,
    *,
    progress: Progress = lambda share: None,
) -> Iterator[Outcome]:
    """Restore these files, one after the other; one that fails does not stop the rest.

    Args:
        progress: told the share of the present file that is done.

    Raises:
        DiskError: the disk is full or read-only, so that no other file could be written either.
    """
    given = originals(jobs)
    for job in jobs:
        hurdle = None if wishes.overwrite else obstacle(job, given)
        yield Outcome(job, hurdle) if hurdle else _attempt(denoiser, job, wishes, progress)


def _attempt(denoiser: Denoiser, job: Job, wishes: Wishes, progress: Progress) -> Outcome:
    try:
        return denoise_file(denoiser, job, wishes, progress=progress)
    except DataError as error:
        return Outcome(job, str(error))
    except (MemoryError, torch.OutOfMemoryError):
        return Outcome(job, "not enough memory; try --batch 1, or --device cpu")
    except OSError as error:
        if error.errno in _NO_DISK:
            raise DiskError(f"{job.target}: {error.strerror}; make room, and go on") from error
        return Outcome(job, f"{error.filename or job.target}: {error.strerror or one_line(error)}")


def denoise_file(
    denoiser: Denoiser, job: Job, wishes: Wishes, *, progress: Progress = lambda share: None
) -> Outcome:
    """Read, restore and write one file.

    Raises:
        DataError: it cannot be read or restored, or its target exists.
        OSError: the target cannot be written.
    """
    source = sys.stdin.buffer.read() if job.source is None else job.source
    images = read_images(source, channels=denoiser.channels)
    _check_suffix(job, images)
    span, odd_range = find_span(denoiser.config, images.stored)
    remarks = _remarks(denoiser, images, span, odd_range)
    restored = restore_stored(denoiser, images.stored, span, batch=wishes.batch, progress=progress)
    scores = None
    if wishes.clean is not None:
        try:
            scores = _scores(denoiser, job, images.stored, restored, span, wishes.clean)
        except DataError as error:
            remarks.append(Remark("clean", f"no scores: {error}"))
    _write(job, images, restored, overwrite=wishes.overwrite)
    return Outcome(job, None, tuple(remarks), scores)


def _remarks(
    denoiser: Denoiser, images: Images, span: ValueRange, odd_range: str | None
) -> list[Remark]:
    height, width = images.stored.shape[2:]
    shown = span.to_unit(middle(images.stored[0]))
    tiled = denoiser.whole_image and plan_tiles(denoiser, height, width, batch=None).tiled
    found: list[tuple[Any, str | None]] = [
        *(("format", text) for text in images.remarks),
        ("channels", channel_remark(images.stored.shape[1], denoiser)),
        ("range", odd_range),
        ("noise", None if odd_range else noise_remark(shown, denoiser.config.task.corruption)),
        ("memory", "too large to be normalized as a whole: done in tiles" if tiled else None),
    ]
    return [Remark(kind, text) for kind, text in found if text is not None]


def _check_suffix(job: Job, images: Images) -> None:
    """Standard input shows only now what it is."""
    if job.source is not None or job.target is None:
        return
    if job.target.suffix.lower() not in images.suffixes:
        named = f"{job.target.stem}{images.suffixes[0]}"
        raise DataError(f"{job.target}: an image keeps its format; name it {named}")


def _scores(
    denoiser: Denoiser,
    job: Job,
    noisy_NCHW: NDArray[Any],
    restored_NCHW: NDArray[Any],
    span: ValueRange,
    folder: Path,
) -> Scores:
    partner = find_partner(folder, job.name)
    try:
        clean = read_images(partner, channels=denoiser.channels).stored
        same = clean.dtype == noisy_NCHW.dtype
        clean_span = span if same else find_span(denoiser.config, clean)[0]
    except DataError as error:
        raise DataError(f"{partner}: {error}") from error
    return compare(restored_NCHW, noisy_NCHW, span, clean_NCHW=clean, clean_span=clean_span)


def _write(job: Job, images: Images, restored: NDArray[Any], *, overwrite: bool) -> None:
    if job.target is None:
        write_out(lambda file: images.write(restored, file))
        return
    job.target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with write_atomically(job.target, overwrite=overwrite) as file:
            images.write(restored, file)
    except FileExistsError:
        raise DataError("exists already") from None
