"""The three sets of images of a finalize: the search's, all for training, and those held out."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from autoencoder_hpo.config import Corruption, Task
from autoencoder_hpo.data.corruption import corrupt
from autoencoder_hpo.data.scaling import Scaling
from autoencoder_hpo.data.splits import (
    HeldOut,
    ImageSet,
    SearchData,
    load_held_out,
    load_search_data,
)
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.prepared import DeviceData, prepare


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutImages:
    """Held-out images and their corruption, drawn once: float32 [N,C,H,W] on the CPU."""

    clean: Tensor
    noisy: Tensor
    group: Tensor
    names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.clean)

    def spread(self, number: int) -> "HeldOutImages":
        """So many of them, evenly spread; always the same ones."""
        places = torch.arange(number) * len(self) // number
        names = None if self.names is None else tuple(self.names[place] for place in places)
        return HeldOutImages(self.clean[places], self.noisy[places], self.group[places], names)


def prepare_search(file: StudyFile, images: SearchData, device: torch.device) -> DeviceData:
    """The split as it is, also where the search's trials were cross-validated."""
    return prepare(images.train, images.validation, file.study.task, device)


def load_images(file: StudyFile, settings: Settings) -> SearchData:
    """What the search saw. Raises DataError, DiskError."""
    return load_search_data(file.study.task, base=_base(file, settings), datasets=settings.datasets)


def load_everything(file: StudyFile, settings: Settings, search: SearchData) -> SearchData:
    """The search's validation images, with all training images that `data.train` left out.

    Where pixels are scaled by the training images' extremes, the search's map is kept, because
    another would change the validation and the test images.

    Raises:
        DataError, DiskError: as `load_images`.
    """
    task = file.study.task
    if task.data.train is None:
        return search
    whole = task.model_copy(update={"data": task.data.model_copy(update={"train": None})})
    full = load_search_data(whole, base=_base(file, settings), datasets=settings.datasets)
    train = _scaled_as(search.scaling, full)
    assert task.data.scale == "minmax" or torch.equal(
        full.validation.clean, search.validation.clean
    ), "data.train must not change what is validated on"
    counts = {**search.counts, "train": len(train)}
    return replace(
        full, train=train, validation=search.validation, counts=counts, scaling=search.scaling
    )


def load_test(file: StudyFile, settings: Settings) -> HeldOutImages:
    """The held-out images, corrupted as the task says, with a seed of their own.

    Raises:
        DataError, DiskError: as `load_images`.
    """
    task = file.study.task
    held = load_held_out(task, base=_base(file, settings), datasets=settings.datasets)
    noisy = held.images.noisy
    if noisy is None:
        assert task.corruption is not None, "only pairs bring their own noise"
        noisy = held_out_noise(held.images.clean, task, task.corruption)
    return _as_test(held, noisy)


def held_out_noise(clean_NCHW: Tensor, task: Task, corruption: Corruption, *more: str) -> Tensor:
    """Drawn on the CPU, as the validation noise is. `more` tells further draws apart."""
    generator = Generator().manual_seed(seed_for(task.seed, "test-noise", *more))
    return corrupt(clean_NCHW, corruption, generator)


def is_corrupted(task: Task) -> bool:
    return task.corruption is None or task.corruption.damages


def _base(file: StudyFile, settings: Settings) -> Path:
    return settings.data or Path(file.base)


def _as_test(held: HeldOut, noisy: Tensor) -> HeldOutImages:
    return HeldOutImages(held.images.clean, noisy, held.group, held.names)


def _scaled_as(scaling: Scaling | None, full: SearchData) -> ImageSet:
    """All training images by the search's map; what lies outside of it is clamped."""
    if scaling is None or full.scaling is None or _equal(scaling, full.scaling):
        return full.train
    clean, noisy = full.train.clean, full.train.noisy
    return ImageSet(
        _rescaled(clean, full.scaling, scaling),
        None if noisy is None else _rescaled(noisy, full.scaling, scaling),
    )


def _equal(one: Scaling, other: Scaling) -> bool:
    return torch.equal(one.low, other.low) and torch.equal(one.high, other.high)


def _rescaled(images_NCHW: Tensor, given: Scaling, wanted: Scaling) -> Tensor:
    """Back to stored values, whose range is no smaller, and on by the other map."""
    stored = images_NCHW.double() * (given.high - given.low) + given.low
    return Scaling(wanted.low, wanted.high, None).apply(stored)
