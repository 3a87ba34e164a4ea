"""Every file of a bundle with its size and checksum.

The checks find what was damaged, lost or edited on the way. They are no signature: whoever makes
a bundle of their own makes a manifest that fits, which is why nothing in a bundle is executed.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from autoencoder_hpo.bundle.config import FORMAT
from autoencoder_hpo.config import Strict
from autoencoder_hpo.errors import BundleError

MANIFEST = "manifest.json"
WEIGHTS, CONFIG, ONNX = "weights.safetensors", "config.json", "model.onnx"
CARD, SCORES, PICTURES = "README.md", "scores.json", "pictures"
NEEDED = frozenset((WEIGHTS, CONFIG, ONNX, CARD, SCORES))

_PICTURE = re.compile(r"pictures/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.png")
_LARGEST = 10_000_000  # bytes of a manifest that is read at all

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(Strict):
    """One file."""

    bytes: int = Field(ge=0)
    sha256: Sha256


class Manifest(Strict):
    """The content of manifest.json; `sha256` is that of the text without it."""

    format: Literal[1]
    files: dict[str, Entry]
    sha256: Sha256


def belongs(name: str) -> bool:
    """Whether a bundle may have a file of this name, below its folder, with slashes."""
    return name in NEEDED or _PICTURE.fullmatch(name) is not None


def manifest_text(contents: Mapping[str, bytes]) -> str:
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(contents.items())
    }
    return _sealed({"format": FORMAT, "files": files})


def read_files(folder: Path, *, keep: frozenset[str]) -> dict[str, bytes]:
    """The content of the files to keep, after every file was compared with the manifest.

    What is returned is what was compared: no file is read twice. Files that the manifest does not
    name are left alone; nothing reads them.

    Raises:
        BundleError: a file is missing, a link, or not as it was written; the folder is no bundle,
            or one of a newer format.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; give one that a bundle was written to")
    entries = _entries(folder)
    contents = {}
    for name, entry in entries.items():
        content = _compared(folder, name, entry, keep=name in keep)
        if name in keep:
            contents[name] = content
    return contents


def _entries(folder: Path) -> dict[str, Entry]:
    path = folder / MANIFEST
    with _opened(folder, MANIFEST) as file:
        manifest = _parsed(file.read(_LARGEST), path)
    for name in manifest.files:
        if not belongs(name):
            raise BundleError(f"{path}: {name!r} is no file of a bundle; use one that is intact")
    missing = sorted(NEEDED - set(manifest.files))
    if missing:
        raise BundleError(f"{path}: {missing[0]} is not in it; use a bundle that is complete")
    return manifest.files


def _parsed(content: bytes, path: Path) -> Manifest:
    try:
        text = content.decode()
        found = json.loads(text)
        _refuse_newer(found, path)
        manifest = Manifest.model_validate(found)
        intact = text == _sealed({k: v for k, v in found.items() if k != "sha256"})
    except (ValueError, RecursionError, ValidationError) as error:
        raise _damaged(path) from error
    if not intact:
        raise _damaged(path)
    return manifest


def _refuse_newer(found: Any, path: Path) -> None:
    number = found.get("format") if isinstance(found, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise BundleError(
            f"{path}: the bundle has format {number}, and this version reads up to {FORMAT}; "
            "upgrade autoencoder-hpo"
        )


def _compared(folder: Path, name: str, entry: Entry, *, keep: bool) -> bytes:
    """What the file holds, when it is to be kept."""
    with _opened(folder, name) as file:
        if os.fstat(file.fileno()).st_size != entry.bytes:
            raise _damaged(folder / name)
        content = file.read() if keep else b""
        digest = hashlib.sha256(content) if keep else hashlib.file_digest(file, "sha256")
    if digest.hexdigest() != entry.sha256:
        raise _damaged(folder / name)
    return content


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[BufferedReader]:
    """A file of the bundle, of which no part is a link; what goes wrong is a BundleError."""
    path = folder / name
    try:
        for part in (folder / name.split("/")[0], path):
            if part.is_symlink():
                raise BundleError(f"{part}: this is a link, and a bundle has none; copy the file")
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise BundleError(f"{path}: this is no file; copy the bundle again")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise BundleError(f"{path}: missing; copy the whole bundle again") from None
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; make the bundle readable") from error


def _damaged(path: Path) -> BundleError:
    return BundleError(f"{path}: not as it was written; copy the bundle again, or write it anew")


def _sealed(found: Mapping[str, Any]) -> str:
    """JSON text with the checksum of the text without it: a changed byte anywhere is found."""
    bare = json.dumps(found, indent=2)
    return json.dumps({**found, "sha256": hashlib.sha256(bare.encode()).hexdigest()}, indent=2)
