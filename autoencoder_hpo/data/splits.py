"""Which images train, which validate, and which are kept for the very end."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from autoencoder_hpo.config import Task
from autoencoder_hpo.data.labels import class_counts, group_names, held_out_names
from autoencoder_hpo.data.scaling import Scaling, fit_scaling
from autoencoder_hpo.data.sources import Source, read_source
from autoencoder_hpo.errors import DataError
from autoencoder_hpo.seeds import seed_for


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images in [0, 1], float32 [N,C,H,W] on the CPU."""

    clean: Tensor
    noisy: Tensor | None = None
    """The partners of `clean`, where the data brings them; else noise is added to `clean`."""
    names: tuple[str, ...] | None = None
    """[N]: the class or folder of each validation image, where there are several."""

    def __len__(self) -> int:
        return len(self.clean)


@dataclass(frozen=True, slots=True, eq=False)
class SearchData:
    """All that a search may see: no test images."""

    train: ImageSet
    validation: ImageSet
    hash: str
    """sha256 over all scaled images, those held out as well: equal data, equal hash."""
    counts: dict[str, int]
    """Images for `train`, `validation` and `test`."""
    skipped: tuple[str, ...]
    """Files left out, each with its reason."""
    groups: tuple[Tensor, Tensor] | None = None
    """int64: the files of the training and validation images; None when each is its own."""
    scaling: Scaling | None = None
    """How stored values became these; None when they were made in [0, 1]."""
    classes: dict[str, int] | None = None
    """Training images in each folder; None where they do not lie in several."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self.train.clean.shape[1:]
        return channels, height, width


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The images that a search never sees, and what they belong to."""

    images: ImageSet
    group: Tensor
    """int64 [M]: images of one group, the patches of a file, go together."""
    names: tuple[str, ...] | None
    """[M]: each image's class, or else its folder or file; None where the data has neither."""


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """Places of images, int64; `test` counts within the official test images, if there are."""

    train: Tensor
    validation: Tensor
    test: Tensor


def load_search_data(task: Task, *, base: Path, datasets: Path) -> SearchData:
    """Read, divide and scale the images of a task; the same on every machine.

    One permutation of the groups, by the task's seed, is divided into test, validation and
    training, in this order, so that `data.train` does not change what is validated on. The
    numbers and shares `data.test` and `data.validation` count images; for folder and pairs
    they count files. `data.train` counts images, or patches, in every case.

    Raises:
        DataError: the data is not what the config says, or too little for it.
        DiskError: a download needs `datasets`, and it cannot be written.
    """
    source = read_source(task, base=base, datasets=datasets)
    parts = _split(task, source)
    scaling = _scaling(task, source, parts)
    train = _take(source, parts.train, scaling)
    names = group_names(source, parts.validation)
    validation = replace(_take(source, parts.validation, scaling), names=names)
    test = _take_test(source, parts, scaling)
    return SearchData(
        train,
        validation,
        hash=_hash(train, validation, test),
        counts={"train": len(train), "validation": len(validation), "test": len(test)},
        skipped=source.skipped,
        groups=(source.group[parts.train], source.group[parts.validation]),
        scaling=scaling,
        classes=class_counts(source, parts.train),
    )


def load_test_images(task: Task, *, base: Path, datasets: Path) -> ImageSet:
    """The held-out images, for judging a finished search; see `load_held_out`.

    Raises:
        DataError, DiskError: as `load_search_data`.
    """
    return load_held_out(task, base=base, datasets=datasets).images


def load_held_out(task: Task, *, base: Path, datasets: Path) -> HeldOut:
    """The held-out images with what they belong to; nothing else hands them out.

    Raises:
        DataError, DiskError: as `load_search_data`.
    """
    source = read_source(task, base=base, datasets=datasets)
    parts = _split(task, source)
    images = _take_test(source, parts, _scaling(task, source, parts))
    names = held_out_names(source, parts.test)
    official = source.official_test is not None
    group = torch.arange(len(images)) if official else source.group[parts.test]
    return HeldOut(images, group, names)


def folds(data: SearchData, k: int, seed: int) -> list[tuple[ImageSet, ImageSet]]:
    """(training, validation) for every fold of training and validation images together.

    One fold is the split as it is. The patches of a file are never in two folds.

    Raises:
        DataError: there are fewer images, or files, than folds.
        ValueError: `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if k == 1:
        return [(data.train, data.validation)]
    together, group = _together(data)
    groups = torch.unique(group)
    if k > len(groups):
        raise DataError(
            f"{k} folds need as many images or files, but training and validation have "
            f"{len(groups)}; set task.folds lower"
        )
    order = groups[_shuffled(len(groups), seed_for(seed, "folds"))]
    held_out = [torch.isin(group, part) for part in order.tensor_split(k)]
    return [(_pick(together, ~chosen), _pick(together, chosen)) for chosen in held_out]


# ---- divide ----------------------------------------------------------------------------


def _split(task: Task, source: Source) -> _Parts:
    number, official = int(source.group.max()) + 1, source.official_test
    what = task.data.split_by
    needed = 3 if official is None else 2
    if number < needed:
        raise DataError(f"{number} usable {what}; a split needs at least {needed}")
    rest = _shuffled(number, seed_for(task.seed, "split"))
    if official is None:
        test_groups, rest = _cut_off(rest, task.data.test, part="test", what=what)
        test = _members(source, test_groups)
    else:
        test = torch.arange(len(official))
    validation, rest = _cut_off(rest, task.data.validation, part="validation", what=what)
    return _Parts(_training(task, source, rest), _members(source, validation), test)


def _cut_off(groups: Tensor, share: float | int, *, part: str, what: str) -> tuple[Tensor, Tensor]:
    """The share, at least one, and the rest, which must leave one for what comes after."""
    count = max(1, round(share * len(groups))) if isinstance(share, float) else share
    after = 2 if part == "test" else 1
    if count > len(groups) - after:
        raise DataError(
            f"data.{part} asks for {count} of {len(groups)} {what}, which leaves too few for "
            f"{'validation and training' if part == 'test' else 'training'}; set data.{part} lower"
        )
    return groups[:count], groups[count:]


def _training(task: Task, source: Source, groups: Tensor) -> Tensor:
    """The first `data.train` of the training images, shuffled so that all files take part."""
    members = _members(source, groups)
    members = members[_shuffled(len(members), seed_for(task.seed, "train"))]
    wanted = task.data.train
    if wanted is not None and wanted > len(members):
        raise DataError(
            f"data.train asks for {wanted} images, but {len(members)} are left for training; "
            "set data.train lower"
        )
    return members[:wanted]


def _members(source: Source, groups: Tensor) -> Tensor:
    """The places of the images of these groups, in the order they were read."""
    return torch.isin(source.group, groups).nonzero()[:, 0]


def _shuffled(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=Generator().manual_seed(seed))


# ---- scale and take --------------------------------------------------------------------


def _scaling(task: Task, source: Source, parts: _Parts) -> Scaling:
    return fit_scaling(source, parts.train, scale=task.data.scale)


def _take(source: Source, places: Tensor, scaling: Scaling) -> ImageSet:
    noisy = None if source.noisy is None else scaling.apply(source.noisy[places])
    return ImageSet(scaling.apply(source.clean[places]), noisy)


def _take_test(source: Source, parts: _Parts, scaling: Scaling) -> ImageSet:
    if source.official_test is None:
        return _take(source, parts.test, scaling)
    return ImageSet(scaling.apply(source.official_test))


def _hash(*parts: ImageSet) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for images in (part.clean, part.noisy):
            if images is not None:
                digest.update(repr(tuple(images.shape)).encode())
                digest.update(images.contiguous().numpy().data)
    return digest.hexdigest()


# ---- folds -----------------------------------------------------------------------------


def _together(data: SearchData) -> tuple[ImageSet, Tensor]:
    clean = torch.cat([data.train.clean, data.validation.clean])
    noisy = None
    if data.train.noisy is not None and data.validation.noisy is not None:
        noisy = torch.cat([data.train.noisy, data.validation.noisy])
    group = torch.arange(len(clean)) if data.groups is None else torch.cat(data.groups)
    return ImageSet(clean, noisy), group


def _pick(images: ImageSet, chosen: Tensor) -> ImageSet:
    return ImageSet(images.clean[chosen], None if images.noisy is None else images.noisy[chosen])
