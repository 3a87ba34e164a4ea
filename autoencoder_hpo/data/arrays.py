"""Images and feature vectors in NumPy's own files."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoencoder_hpo.config import ArrayData
from autoencoder_hpo.data.pixels import Source, as_stored, each_its_own, one_line
from autoencoder_hpo.errors import DataError

_SHAPES = "[N,H,W], [N,C,H,W], [N,H,W,C] or [N,D]"


def read_array(config: ArrayData, path: Path) -> Source:
    """Read a .npy or .npz file; NaN and infinite values are still in it unless refused.

    Raises:
        DataError: there is no such file or array, or it does not hold numbers in a known shape.
    """
    values = _load(path, config.key)
    _check_numbers(values, path)
    if config.missing == "refuse":
        _refuse_missing(values, path)
    clean, full_scale = as_stored(_channels_first(values, config.layout, path))
    return Source(
        clean,
        None,
        each_its_own(clean),
        official_test=None,
        full_scale=full_scale,
        vectors=values.ndim == 2,
        missing=config.missing,
    )


def _load(path: Path, key: str | None) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _only_array(loaded, key, path)
            return _member(loaded, key, path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; correct data.path") from error
    except ValueError as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path}: holds Python objects, not numbers; save it with a numeric dtype"
            ) from error
        raise DataError(f"{path}: not a .npy or .npz file ({one_line(error)})") from error
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npy or .npz file ({one_line(error)})") from error


def _only_array(values: NDArray[Any], key: str | None, path: Path) -> NDArray[Any]:
    if key is not None:
        raise DataError(f"{path}: a .npy file holds one array without a name; remove data.key")
    return values


def _member(archive: Any, key: str | None, path: Path) -> NDArray[Any]:
    names = ", ".join(archive.files) or "none"
    if key is None and len(archive.files) != 1:
        raise DataError(
            f"{path}: holds {len(archive.files)} arrays; set data.key to one of: {names}"
        )
    key = archive.files[0] if key is None else key
    if key not in archive.files:
        raise DataError(f"{path}: has no array {key!r}; set data.key to one of: {names}")
    values = archive[key]
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path}: {key!r} is not an array; set data.key to one of: {names}")
    return values


def _check_numbers(values: NDArray[Any], path: Path) -> None:
    if values.dtype.kind not in "buif":
        raise DataError(
            f"{path}: holds values of type {values.dtype}; save real numbers, such as uint8"
        )
    if values.ndim not in (2, 3, 4):
        raise DataError(f"{path}: has shape {_shape(values)}; needed is {_SHAPES}")
    if values.size == 0:
        raise DataError(
            f"{path}: has shape {_shape(values)}, which holds no values; save images in it"
        )


def _refuse_missing(values: NDArray[Any], path: Path) -> None:
    if values.dtype.kind != "f":
        return
    missing = ~np.isfinite(values)
    if count := int(missing.sum()):
        first = [int(i) for i in np.unravel_index(int(missing.argmax()), values.shape)]
        raise DataError(
            f"{path}: {count} values are NaN or infinite, the first at {first}; "
            "set data.missing to mean or zero to fill them"
        )


def _channels_first(values: NDArray[Any], layout: str, path: Path) -> NDArray[Any]:
    """[N,D] becomes [N,1,1,D], [N,H,W] [N,1,H,W], and [N,H,W,C] [N,C,H,W]."""
    if values.ndim == 2:
        return values[:, None, None, :]
    if values.ndim == 3:
        return values[:, None]
    if layout == "auto":
        layout = _guess_layout(values, path)
    return values.transpose(0, 3, 1, 2) if layout == "channels_last" else values


def _guess_layout(values: NDArray[Any], path: Path) -> str:
    first, last = values.shape[1] in range(1, 5), values.shape[3] in range(1, 5)
    if first == last:
        raise DataError(
            f"{path}: shape {_shape(values)} does not tell where its channels are; "
            "set data.layout to channels_first or channels_last"
        )
    return "channels_first" if first else "channels_last"


def _shape(values: NDArray[Any]) -> str:
    return "[" + ",".join(str(size) for size in values.shape) + "]"
