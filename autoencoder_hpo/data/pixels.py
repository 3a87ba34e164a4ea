"""Pixels as they were stored: what every kind of data set is read into."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autoencoder_hpo.errors import DataError

Missing = Literal["refuse", "mean", "zero"]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Images before they are divided and scaled; `check_source` holds every kind to this."""

    clean: Tensor
    """[N,C,H,W], in the type it was stored in; see `as_stored` for the exceptions."""
    noisy: Tensor | None
    """[N,C,H,W], the noisy partners of `clean`; only `pairs` has them."""
    group: Tensor
    """int64 [N], numbered from 0: images of one group, the patches of a file, stay together."""
    official_test: Tensor | None
    """[M,C,H,W], for data sets that come divided."""
    full_scale: float | None
    """The stored value that means 1.0; None where the type does not say."""
    skipped: tuple[str, ...] = ()
    """Files left out, each with its reason."""
    missing: Missing = "refuse"
    """How NaN and infinite values are filled later; `refuse`: there are none."""
    vectors: bool = False
    """Feature vectors [N,1,1,D], whose columns have scales of their own."""
    files: tuple[str, ...] = ()
    """The file of every group, as a path below the folder; only `folder` and `pairs` have them."""
    classes: tuple[str, ...] | None = None
    """[N]: what each image shows, where the data set says so."""
    test_classes: tuple[str, ...] | None = None
    """[M]: the same for the official test images."""


def check_source(source: Source, *, place: str) -> None:
    """Hold a source to its promises, so that no reader has to remember them.

    A reader may say it better, since it knows its files; what it leaves out is said here.

    Args:
        place: where the images come from, for the message.

    Raises:
        DataError: no images, another shape than [N,C,H,W], NaN or infinite values that nothing
            fills, or partners, labels or test images that do not go with the images.
    """
    clean, noisy, test = source.clean, source.noisy, source.official_test
    _check_shape(clean, f"{place}: images")
    if noisy is not None and noisy.shape != clean.shape:
        raise DataError(
            f"{place}: clean images {_shape(clean)}, but noisy ones {_shape(noisy)}; "
            "give every image one partner of its size"
        )
    if test is not None:
        _check_shape(test, f"{place}: test images")
        if test.shape[1:] != clean.shape[1:]:
            raise DataError(
                f"{place}: images {_shape(clean)}, but test images {_shape(test)}; "
                "make all of one size"
            )
    _check_labels(source, place)
    _check_groups(source)
    if source.missing == "refuse":
        for images in (clean, noisy, test):
            _check_finite(source, images, place)


def _check_shape(images: Tensor, what: str) -> None:
    if images.ndim and len(images) == 0:
        raise DataError(f"{what}: there are none; put some there")
    if images.ndim != 4 or images.numel() == 0:
        raise DataError(
            f"{what} {_shape(images)}; needed are [N,C,H,W] (number, channels, height, width), "
            "so save each as channels, height, width"
        )
    if images.is_complex():
        raise DataError(f"{what} of complex numbers; save real ones, such as uint8")


def _check_finite(source: Source, images: Tensor | None, place: str) -> None:
    if images is None or not images.is_floating_point():
        return
    missing = ~images.isfinite()
    if count := int(missing.sum()):
        first = np.unravel_index(int(missing.numpy().argmax()), missing.shape)
        number, *pixel = map(int, first)
        official = images is source.official_test
        named = bool(source.files) and not official
        file = f", {source.files[int(source.group[number])]}," if named else ""
        raise DataError(
            f"{place}: {count} values are NaN or infinite, the first in "
            f"{'test ' if official else ''}image {number}{file} at {pixel} (channel, row, "
            "column); repair or remove the images that have them"
        )


def _check_labels(source: Source, place: str) -> None:
    for images, labels in (
        (source.clean, source.classes),
        (source.official_test, source.test_classes),
    ):
        number = 0 if images is None else len(images)
        if labels is not None and len(labels) != number:
            raise DataError(
                f"{place}: {len(labels)} labels for {number} images; give every image one"
            )


def _check_groups(source: Source) -> None:
    """No image can break this, only the reader."""
    group = source.group
    assert group.dtype == torch.int64, "groups are int64"
    assert group.shape == (len(source.clean),), "every image belongs to one group"
    known = group.unique()
    assert torch.equal(known, torch.arange(len(known))), "groups are numbered from 0, without gaps"
    assert len(source.files) in (0, len(known)), "every group is one file"


def _shape(images: Tensor) -> str:
    return f"[{','.join(map(str, images.shape))}]"


def as_stored(values: NDArray[Any]) -> tuple[Tensor, float | None]:
    """A tensor of these values, and the value that means 1.0 (None: the type does not say).

    uint8, bool, signed integers and floats keep their type. Others become one that torch
    computes with: uint16 int32, larger unsigned integers and long doubles float64.
    """
    kind = values.dtype.kind
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if kind == "u" and native.itemsize == 2:
        return torch.from_numpy(native.astype(np.int32)), 65535.0
    if (kind == "u" and native.itemsize > 2) or (kind == "f" and native.itemsize > 8):
        native = native.astype(np.float64)
    if kind == "f" or kind == "b":
        return torch.from_numpy(native), 1.0
    return torch.from_numpy(native), 255.0 if native.dtype == np.uint8 else None


def each_its_own(images: Tensor) -> Tensor:
    """int64 [N]: the groups of images that may be divided freely."""
    return torch.arange(len(images))


def one_line(error: BaseException) -> str:
    """What a library complained of, without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__
