"""Pixels as they were stored: what every kind of data set is read into."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Images before they are divided and scaled."""

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
    vectors: bool = False
    """Feature vectors [N,1,1,D], whose columns have scales of their own."""
    files: tuple[str, ...] = ()
    """The file of every group, as a path below the folder; only `folder` and `pairs` have them."""
    classes: tuple[str, ...] | None = None
    """[N]: what each image shows, where the data set says so."""
    test_classes: tuple[str, ...] | None = None
    """[M]: the same for the official test images."""


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
