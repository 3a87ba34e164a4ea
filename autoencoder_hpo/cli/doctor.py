"""Is everything here that a study needs? Each finding says what to do."""

import importlib
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autoencoder_hpo.errors import AutoencoderHpoError
from autoencoder_hpo.provenance import versions
from autoencoder_hpo.settings import Settings, make_directory

LITTLE_DISK_GB = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    level: Literal["ok", "warning", "problem"]
    said: str


def examine(settings: Settings, storage: str | None) -> Iterator[Finding]:
    """Look at Python, packages, devices, directories and the database, one after the other."""
    yield _python()
    yield _tried("packages", _packages)
    yield _tried("device", _device)
    yield _tried("home", lambda: _home(settings))
    yield _disk(settings)
    if settings.data is not None:
        yield _data(settings.data)
    yield _tried("database", lambda: _database(settings, storage))


def _tried(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except (AutoencoderHpoError, ImportError, OSError) as error:
        return Finding(what, "problem", str(error))


def _python() -> Finding:
    # An older Python cannot import this package; pip refuses to install it there.
    return Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _packages() -> Finding:
    for name in ("torch", "torchvision", "optuna", "psycopg2", "sklearn", "skimage"):
        importlib.import_module(name)
    return Finding("packages", "ok", ", ".join(f"{k} {v}" for k, v in versions().items()))


def _device() -> Finding:
    import torch

    from autoencoder_hpo.processes import usable_cores

    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("device", "ok", f"{len(gpus)} GPU: {', '.join(gpus)}")
    if torch.backends.mps.is_available():
        return Finding("device", "ok", "Apple GPU (mps)")
    said = f"CPU only, {usable_cores()} cores"
    if shutil.which("nvidia-smi"):
        return Finding(
            "device",
            "warning",
            f"{said}, though an NVIDIA driver is here; install a CUDA build of torch "
            "(pip install torch) that fits the driver",
        )
    return Finding("device", "ok", f"{said}; a GPU would be faster, none is needed")


def _home(settings: Settings) -> Finding:
    make_directory(settings.home)
    return Finding("home", "ok", f"{settings.home} is writable")


def _disk(settings: Settings) -> Finding:
    place = next(p for p in (settings.home, *settings.home.parents) if p.exists())
    free = shutil.disk_usage(place).free / 1e9
    if free < LITTLE_DISK_GB:
        return Finding(
            "disk",
            "warning",
            f"{free:.1f} GB free at {place}; free some, or set AUTOENCODER_HPO_HOME elsewhere",
        )
    return Finding("disk", "ok", f"{free:.0f} GB free at {place}")


def _data(folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding(
            "data", "problem", f"{folder} is no folder; AUTOENCODER_HPO_DATA must name one"
        )
    return Finding("data", "ok", f"{folder} (AUTOENCODER_HPO_DATA)")


def _database(settings: Settings, storage: str | None) -> Finding:
    from autoencoder_hpo.storage.database import open_storage
    from autoencoder_hpo.storage.study import names

    opened = open_storage(storage, settings)
    known = len(names(opened))
    if not opened.is_server:
        return Finding(
            "database",
            "warning",
            f"{opened.shown} serves one process only; use PostgreSQL for several workers",
        )
    return Finding("database", "ok", f"{opened.shown} answers; it holds {known} studies")
