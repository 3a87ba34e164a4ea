"""What images are called: their classes, else their folders, else their files."""

from collections import Counter

from torch import Tensor

from autoencoder_hpo.data.pixels import Source

MOST = 100
"""Names that are worth telling apart."""


def held_out_names(source: Source, places: Tensor) -> tuple[str, ...] | None:
    """A name for each test image; None where the data has none, or the same for all.

    Args:
        places: int64, where the test images stand in the source, or in its official test images.
    """
    if source.official_test is not None:
        names = source.test_classes
    elif source.classes is not None:
        names = tuple(source.classes[place] for place in places.tolist())
    else:
        names = _of_files(source, places)
    return None if names is None or len(set(names)) < 2 else names


def group_names(source: Source, places: Tensor) -> tuple[str, ...] | None:
    """The class or folder of each of these images; None where there are none, one, or very many.

    Args:
        places: int64, where the images stand in the source.
    """
    if source.classes is not None:
        names = [source.classes[place] for place in places.tolist()]
    else:
        names = _folders(source, places)
    return tuple(names) if 1 < len(set(names)) <= min(MOST, len(names) / 2) else None


def class_counts(source: Source, places: Tensor) -> dict[str, int] | None:
    """How many of these images lie in each folder; None where the folders are no classes.

    The data sets with classes of their own have as many images in each, or nearly.
    """
    folders = {file.rpartition("/")[0] for file in source.files}
    if not 1 < len(folders) <= len(source.files) / 2:
        return None
    return dict(Counter(_folders(source, places)))


def _of_files(source: Source, places: Tensor) -> tuple[str, ...] | None:
    """Folders where the test files lie in several, else files."""
    folders = _folders(source, places)
    if len(set(folders)) > 1 or not source.files:
        return tuple(folders) or None
    return tuple(source.files[group] for group in source.group[places].tolist())


def _folders(source: Source, places: Tensor) -> list[str]:
    """Of the files that these images come from; empty where they come from none."""
    if not source.files:
        return []
    folders = [file.rpartition("/")[0] for file in source.files]
    return [folders[group] for group in source.group[places].tolist()]
