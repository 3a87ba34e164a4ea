"""Data sets that torchvision knows: from a copy on this machine, or downloaded once."""

import gzip
import http.client
import math
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from autoencoder_hpo.data.pixels import Source, each_its_own, one_line
from autoencoder_hpo.errors import DataError
from autoencoder_hpo.settings import make_directory

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
    """Both official parts as uint8 [N,C,H,W]; labels are not needed.

    Args:
        root: a copy in torchvision's layout, or the bare IDX files; never written.
        datasets: where the data set is downloaded to when there is no copy.

    Raises:
        DataError: the copy is incomplete or damaged, or the download failed.
        DiskError: `datasets` cannot be written.
    """
    if root is None and name == "fashion_mnist" and debian.is_dir():
        root = debian
    parts = _download(name, datasets) if root is None else _read_copy(name, root)
    train, test = parts
    return Source(train, None, each_its_own(train), official_test=test, full_scale=255.0)


def read_test_classes(
    name: Name, *, root: Path | None, datasets: Path, debian: Path = DEBIAN
) -> tuple[str, ...] | None:
    """The class of every official test image; None where the copy holds images alone."""
    if root is None and name == "fashion_mnist" and debian.is_dir():
        root = debian
    labels: list[int] | None
    if root is None:
        labels = _official_labels(name, datasets)
    elif name in ("cifar10", "svhn"):
        labels = _official_labels(name, root)
    else:
        labels = _idx_labels(name, root)
    if labels is None:
        return None
    named = CLOTHES if name == "fashion_mnist" else None
    return tuple(named[label] if named else str(label) for label in labels)


# ---- a copy ----------------------------------------------------------------------------


def _read_copy(name: Name, root: Path) -> tuple[Tensor, Tensor]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; correct data.root, or leave it out to download")
    if name in ("cifar10", "svhn"):
        return _read_verified_copy(name, root)
    return _read_idx(name, root, train=True), _read_idx(name, root, train=False)


def _read_verified_copy(name: Name, root: Path) -> tuple[Tensor, Tensor]:
    files = "cifar-10-batches-py" if name == "cifar10" else "train_32x32.mat and test_32x32.mat"
    try:
        return _open(name, root, download=False)
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"{root}: {files} missing or damaged; correct data.root, or leave it out to download"
        ) from error


def _read_idx(name: Name, root: Path, *, train: bool) -> Tensor:
    path = _find_idx(name, root, train=train)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _upright(name, _idx_images(file.read()))
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


def _idx_labels(name: Name, root: Path) -> list[int] | None:
    """What the file beside the test images says; the format has a header of 8 bytes."""
    file = _idx_name(name, train=False).replace("images-idx3", "labels-idx1")
    for folder in _idx_folders(name, root):
        for path in (folder / file, folder / f"{file}.gz"):
            if path.is_file():
                with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as opened:
                    return list(opened.read()[8:])
    return None


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


def _download(name: Name, datasets: Path) -> tuple[Tensor, Tensor]:
    from filelock import FileLock

    make_directory(datasets)
    try:
        with FileLock(datasets / f".{name}.lock"):  # many workers start at once
            return _open(name, datasets, download=True)
    except (RuntimeError, OSError, EOFError, http.client.HTTPException, zlib.error) as error:
        raise DataError(
            f"{name}: download to {datasets} failed ({one_line(error)}); "
            "check the network, or set data.root to a copy"
        ) from error


def _open(name: Name, root: Path, *, download: bool) -> tuple[Tensor, Tensor]:
    train = _official(name, root, train=True, download=download)
    return train, _official(name, root, train=False, download=download)


def _official(name: Name, root: Path, *, train: bool, download: bool) -> Tensor:
    from torchvision import datasets

    match name:
        case "svhn":
            part = "train" if train else "test"
            return _tensor(datasets.SVHN(root, split=part, download=download).data)
        case "cifar10":
            images = datasets.CIFAR10(root, train=train, download=download)
            return _tensor(images.data.transpose(0, 3, 1, 2))
        case "emnist":
            images = datasets.EMNIST(root, split="balanced", train=train, download=download)
            return _upright(name, images.data)
        case _:
            images = getattr(datasets, _CLASS[name])(root, train=train, download=download)
            return _upright(name, images.data)


def _official_labels(name: Name, root: Path) -> list[int]:
    """Those of the test images, which are there already."""
    from torchvision import datasets

    if name == "svhn":
        return [int(label) for label in datasets.SVHN(root, split="test").labels]
    more = {"split": "balanced"} if name == "emnist" else {}
    images = getattr(datasets, _CLASS[name])(root, train=False, **more)
    return [int(label) for label in images.targets]


def _tensor(images_NCHW: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images_NCHW))


def _upright(name: Name, images_NHW: Tensor) -> Tensor:
    """[N,1,H,W]; EMNIST's files hold every letter with rows and columns exchanged."""
    turned = images_NHW.transpose(1, 2) if name == "emnist" else images_NHW
    return turned[:, None].contiguous()
