"""Data sets that torchvision knows: from a copy on this machine, or downloaded once."""

import gzip
import http.client
import math
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from autoencoder_hpo.data.pixels import Source, each_its_own, one_line
from autoencoder_hpo.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    images: Tensor
    """uint8 [N,C,H,W]."""
    labels: Sequence[int] | None


Name = Literal["fashion_mnist", "mnist", "kmnist", "emnist", "cifar10", "svhn"]

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its IDX files."""

IDX_OF_BYTES, IDX_HEADER = 0x803, 16
"""What an IDX file of three-dimensional bytes begins with, and where they begin."""

CLOTHES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip

_CLASS: dict[Name, str] = {
    "fashion_mnist": "FashionMNIST",
    "mnist": "MNIST",
    "kmnist": "KMNIST",
    "emnist": "EMNIST",
    "cifar10": "CIFAR10",
    "svhn": "SVHN",
}


def read_torchvision(
    name: Name, *, root: Path | None, datasets: Path, debian: Path = DEBIAN
) -> Source:
    """Both official parts as uint8 [N,C,H,W], and their classes where the copy has them.

    Args:
        root: a copy in torchvision's layout, or the bare IDX files; never written.
        datasets: where the data set is downloaded to when there is no copy.

    Raises:
        DataError: the copy is incomplete or damaged, or the download failed.
        DiskError: `datasets` cannot be written.
    """
    if root is None and name == "fashion_mnist" and debian.is_dir():
        root = debian
    train, test = _download(name, datasets) if root is None else _read_copy(name, root)
    return Source(
        train.images,
        None,
        each_its_own(train.images),
        official_test=test.images,
        full_scale=255.0,
        classes=_classes(name, train),
        test_classes=_classes(name, test),
    )


def _classes(name: Name, part: _Part) -> tuple[str, ...] | None:
    labels = part.labels
    if labels is None or len(labels) != len(part.images):
        return None
    named = name == "fashion_mnist" and max(labels, default=0) < len(CLOTHES)  # not letters, say
    return tuple(CLOTHES[label] if named else str(label) for label in labels)


# ---- a copy ----------------------------------------------------------------------------


def _read_copy(name: Name, root: Path) -> tuple[_Part, _Part]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; correct data.root, or leave it out to download")
    if name in ("cifar10", "svhn"):
        return _read_verified_copy(name, root)
    return _read_idx(name, root, train=True), _read_idx(name, root, train=False)


def _read_verified_copy(name: Name, root: Path) -> tuple[_Part, _Part]:
    files = "cifar-10-batches-py" if name == "cifar10" else "train_32x32.mat and test_32x32.mat"
    try:
        return _open(name, root, download=False)
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"{root}: {files} missing or damaged; correct data.root, or leave it out to download"
        ) from error


def _read_idx(name: Name, root: Path, *, train: bool) -> _Part:
    path = _find_idx(name, root, train=train)
    try:
        return _Part(_upright(name, _idx_images(_content(path))), _idx_labels(path))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}); copy it again") from error
    except (struct.error, ValueError) as error:
        raise DataError(f"{path}: not an IDX file of images; copy it again") from error


def _idx_images(content: bytes) -> Tensor:
    """uint8 [N,H,W]. torchvision has the same, and takes longer to import than this to read."""
    magic, *shape = struct.unpack_from(">4I", content)
    if magic != IDX_OF_BYTES or len(content) != IDX_HEADER + math.prod(shape):
        raise ValueError
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=IDX_HEADER).view(*shape)


def _idx_labels(images: Path) -> Sequence[int] | None:
    """What the file beside the images says; the format has a header of 8 bytes."""
    file = images.name.removesuffix(".gz").replace("images-idx3", "labels-idx1")
    for path in (images.with_name(file), images.with_name(f"{file}.gz")):
        if path.is_file():
            with suppress(OSError, EOFError, zlib.error):  # images without classes are good too
                return _content(path)[8:]
    return None


def _content(path: Path) -> bytes:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file.read()


def _idx_folders(name: Name, root: Path) -> list[Path]:
    return [root / _CLASS[name] / "raw", root / "raw", root]


def _find_idx(name: Name, root: Path, *, train: bool) -> Path:
    file = _idx_name(name, train=train)
    candidates = [
        folder / f"{file}{end}" for folder in _idx_folders(name, root) for end in ("", ".gz")
    ]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DataError(
        f"{root}: {file} (or {file}.gz) is missing, there, in raw/ and in {_CLASS[name]}/raw/; "
        "correct data.root, or leave it out to download"
    )


def _idx_name(name: Name, *, train: bool) -> str:
    if name == "emnist":
        return f"emnist-balanced-{'train' if train else 'test'}-images-idx3-ubyte"
    return f"{'train' if train else 't10k'}-images-idx3-ubyte"


# ---- a download ------------------------------------------------------------------------


def _download(name: Name, datasets: Path) -> tuple[_Part, _Part]:
    from filelock import FileLock

    try:
        with FileLock(datasets / f".{name}.lock"):  # many workers start at once
            return _open(name, datasets, download=True)
    except (RuntimeError, OSError, EOFError, http.client.HTTPException, zlib.error) as error:
        raise DataError(
            f"{name}: download to {datasets} failed ({one_line(error)}); "
            "check the network, or set data.root to a copy"
        ) from error


def _open(name: Name, root: Path, *, download: bool) -> tuple[_Part, _Part]:
    train = _official(name, root, train=True, download=download)
    return train, _official(name, root, train=False, download=download)


def _official(name: Name, root: Path, *, train: bool, download: bool) -> _Part:
    from torchvision import datasets

    match name:
        case "svhn":
            numbers = datasets.SVHN(root, split="train" if train else "test", download=download)
            return _Part(_tensor(numbers.data), numbers.labels.tolist())
        case "cifar10":
            things = datasets.CIFAR10(root, train=train, download=download)
            return _Part(_tensor(things.data.transpose(0, 3, 1, 2)), things.targets)
        case "emnist":
            signs = datasets.EMNIST(root, split="balanced", train=train, download=download)
        case _:
            signs = getattr(datasets, _CLASS[name])(root, train=train, download=download)
    return _Part(_upright(name, signs.data), signs.targets.tolist())


def _tensor(images_NCHW: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images_NCHW))


def _upright(name: Name, images_NHW: Tensor) -> Tensor:
    """[N,1,H,W]; EMNIST's files hold every letter with rows and columns exchanged."""
    turned = images_NHW.transpose(1, 2) if name == "emnist" else images_NHW
    return turned[:, None].contiguous()
