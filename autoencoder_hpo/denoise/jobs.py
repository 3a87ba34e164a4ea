"""What is read, and where what comes of it goes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath

from autoencoder_hpo.data.pictures import SUFFIXES
from autoencoder_hpo.denoise.images import ARRAY_SUFFIX, SUFFIXES_OF
from autoencoder_hpo.errors import DataError

PIPE = "-"
_FOUND = SUFFIXES | {ARRAY_SUFFIX}
_KINDS = [*SUFFIXES_OF.values(), (ARRAY_SUFFIX,)]


@dataclass(frozen=True, slots=True)
class Job:
    """One file to restore."""

    name: str
    """Its path below what was asked for, by which partners are found."""
    source: Path | None
    """None: standard input."""
    target: Path | None
    """None: standard output."""

    @property
    def shown(self) -> str:
        return "standard input" if self.source is None else str(self.source)


def find_jobs(sources: Sequence[str], target: str) -> list[Job]:
    """Every image of these files, folders and patterns, in the order of their names.

    Below a folder, hidden files and the target itself are left out; a pattern's files keep
    their paths below its first part without a wildcard.

    Raises:
        DataError: nothing is found or can be looked into, two images would go to one place, or
            the target's name means another kind of file.
    """
    found = list(dict.fromkeys(pair for source in sources for pair in _found(source, Path(target))))
    if not found:
        kinds = " ".join(sorted(suffix[1:] for suffix in _FOUND))
        raise DataError(f"{' '.join(sources)}: no images found; give files of these kinds: {kinds}")
    if target == PIPE:
        if len(found) > 1:
            raise DataError(
                f"{len(found)} images for standard output, which takes one; name a folder"
            )
        return [Job(name, path, None) for name, path in found]
    if _is_file(target, sources):
        ((name, path),) = found
        _check_kind(path, Path(target))
        return [Job(name, path, Path(target))]
    if any(path is None for _, path in found):
        raise DataError("standard input has no name; give a file as the target")
    jobs = [Job(name, path, Path(target, name)) for name, path in found]
    _check_apart(jobs)
    return jobs


def root_of(jobs: Sequence[Job], target: str) -> Path | None:
    """The folder that must be writable; None for standard output."""
    if target == PIPE:
        return None
    return Path(target).parent if jobs[0].target == Path(target) else Path(target)


def obstacle(job: Job, originals: frozenset[tuple[int, int]]) -> str | None:
    """What stands in a job's way, if nothing may be overwritten.

    Files are told by device and number: whatever path or link leads to them.
    """
    if job.target is None or not os.path.lexists(job.target):
        return None
    if job.target.exists() and identity(job.target) in originals:
        return f"{job.target} is an original; --overwrite replaces it"
    return f"{job.target} exists already; --overwrite replaces it"


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def originals(jobs: Sequence[Job]) -> frozenset[tuple[int, int]]:
    return frozenset(identity(job.source) for job in jobs if job.source and job.source.exists())


# ---- finding ---------------------------------------------------------------------------


def _found(source: str, target: Path) -> Iterator[tuple[str, Path | None]]:
    path = Path(source)
    if source == PIPE:
        yield "-", None
    elif path.is_dir():
        yield from ((file.relative_to(path).as_posix(), file) for file in _below(path, target))
    elif os.path.lexists(path):
        yield path.name, path
    elif has_magic(source):
        fixed = _fixed(path)
        for match in sorted(glob(source, recursive=True)):
            if PurePath(match).suffix.lower() in _FOUND and os.path.isfile(match):
                yield Path(match).relative_to(fixed).as_posix(), Path(match)
    else:
        raise DataError(f"{source}: no such file or folder")


def _below(folder: Path, target: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error

    files = []
    for here, folders, names in os.walk(folder, onerror=refuse):
        inner = [name for name in folders if not name.startswith(".")]
        folders[:] = [name for name in inner if not _same(Path(here, name), target)]
        files += [
            Path(here, name)
            for name in names
            if PurePath(name).suffix.lower() in _FOUND and not name.startswith(".")
        ]
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())


def _same(folder: Path, target: Path) -> bool:
    return target.exists() and folder.samefile(target)


def _fixed(pattern: Path) -> Path:
    """The parts of a pattern before its first wildcard."""
    return next(parent for parent in pattern.parents if not has_magic(str(parent)))


# ---- checks ----------------------------------------------------------------------------


def _is_file(target: str, sources: Sequence[str]) -> bool:
    """Whether the target is to be a file: a name with a suffix, for one file that is given."""
    if len(sources) > 1 or Path(sources[0]).is_dir() or has_magic(sources[0]):
        return False
    folder = target.endswith(("/", os.sep)) or Path(target).is_dir()
    return not folder and Path(target).suffix != ""


def _check_kind(source: Path | None, target: Path) -> None:
    if source is None or source.suffix.lower() == target.suffix.lower():
        return
    for kind in _KINDS:
        if source.suffix.lower() in kind and target.suffix.lower() not in kind:
            raise DataError(
                f"{target}: an image keeps its format; name it {target.stem}{source.suffix}"
            )


def _check_apart(jobs: Sequence[Job]) -> None:
    places: dict[Path | None, Job] = {}
    for job in jobs:
        other = places.setdefault(job.target, job)
        if other is not job:
            raise DataError(
                f"{other.shown} and {job.shown} would both become {job.target}; "
                "restore them one after the other, into two folders"
            )
