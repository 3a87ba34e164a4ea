"""From a data config to pixels as they are stored; nothing is divided or scaled yet."""

from pathlib import Path
from typing import assert_never

import torch

from autoencoder_hpo.config import (
    ArrayData,
    DataConfig,
    DigitsData,
    FolderData,
    PairsData,
    Task,
    TorchvisionData,
)
from autoencoder_hpo.data.arrays import read_array
from autoencoder_hpo.data.folders import read_folder, read_pairs
from autoencoder_hpo.data.pixels import Source, check_source, each_its_own
from autoencoder_hpo.data.torchvision_sets import read_torchvision

__all__ = ["Source", "read_source"]


def read_source(task: Task, *, base: Path, datasets: Path) -> Source:
    """Read what `task.data` names; whatever kind it is, it keeps what `Source` promises.

    A new kind is one more function and one more case in `_read`.

    Args:
        base: the folder that relative paths in the config start from.
        datasets: where downloads go, and are found the next time.

    Raises:
        DataError: the data is missing, unreadable or not what the config says.
        DiskError: `datasets` is needed and cannot be written.
    """
    source = _read(task, base=base, datasets=datasets)
    assert bool(source.files) == (task.data.split_by == "files"), "split_by is not what was read"
    assert (source.noisy is not None) == task.data.paired, "paired is not what was read"
    check_source(source, place=_place(task.data))
    return source


def _read(task: Task, *, base: Path, datasets: Path) -> Source:
    data = task.data
    match data:
        case DigitsData():
            return _digits()
        case TorchvisionData():
            root = None if data.root is None else _below(base, data.root)
            return read_torchvision(data.dataset, root=root, datasets=datasets)
        case FolderData():
            return read_folder(data, _below(base, data.path), seed=task.seed)
        case PairsData():
            noisy, clean = _below(base, data.noisy), _below(base, data.clean)
            return read_pairs(data, noisy=noisy, clean=clean, seed=task.seed)
        case ArrayData():
            return read_array(data, _below(base, data.path))
        case _:
            assert_never(data)


def _place(data: DataConfig) -> str:
    """Such as: data (dataset: folder, path: images)."""
    paths = [f"{name}: {value}" for name, value in data if isinstance(value, Path)]
    return f"data ({', '.join([f'dataset: {data.dataset}', *paths])})"


def _below(base: Path, path: Path) -> Path:
    return base / path.expanduser()


def _digits() -> Source:
    from sklearn.datasets import load_digits  # slow to import

    digits = load_digits()
    clean = torch.from_numpy(digits.images).to(torch.uint8)[:, None]
    classes = tuple(str(digit) for digit in digits.target)
    return Source(
        clean, None, each_its_own(clean), official_test=None, full_scale=16.0, classes=classes
    )
