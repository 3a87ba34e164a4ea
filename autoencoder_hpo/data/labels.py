"""What images are called: their classes, else their folders, else their files."""

from collections import Counter
from pathlib import Path

from torch import Tensor

from autoencoder_hpo.config import DigitsData, Task, TorchvisionData
from autoencoder_hpo.data.pixels import Source
from autoencoder_hpo.data.torchvision_sets import read_test_classes


def held_out_names(
    task: Task, source: Source, places: Tensor, *, base: Path, datasets: Path
) -> tuple[str, ...] | None:
    """A name for each test image; None where the data has none, or the same for all.

    Args:
        places: int64, where the test images stand in the source, or in its official test images.
    """
    match task.data:
        case DigitsData():
            names: tuple[str, ...] | None = _digits(places)
        case TorchvisionData(dataset=name, root=root):
            below = None if root is None else base / root.expanduser()
            names = read_test_classes(name, root=below, datasets=datasets)
        case _:
            names = _of_files(source, places)
    if names is None or len(names) != len(places) or len(set(names)) < 2:
        return None
    return names


def class_counts(source: Source, places: Tensor) -> dict[str, int] | None:
    """How many of these images lie in each folder; None where the folders are no classes.

    The data sets with classes of their own have as many images in each, or nearly.
    """
    folders = [file.rpartition("/")[0] for file in source.files]
    if not 1 < len(set(folders)) <= len(folders) / 2:
        return None
    return dict(Counter(folders[group] for group in source.group[places].tolist()))


def _digits(places: Tensor) -> tuple[str, ...]:
    from sklearn.datasets import load_digits  # slow to import

    target = load_digits().target
    return tuple(str(target[place]) for place in places.tolist())


def _of_files(source: Source, places: Tensor) -> tuple[str, ...] | None:
    """Folders where the test files lie in several, else files."""
    if not source.files:
        return None
    files = [source.files[group] for group in source.group[places].tolist()]
    folders = [file.rpartition("/")[0] for file in files]
    return tuple(folders if len(set(folders)) > 1 else files)
