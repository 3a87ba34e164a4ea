"""Images below a folder, or below two: read, cut into patches, kept together by file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from autoencoder_hpo.config import FolderData, PairsData
from autoencoder_hpo.data.pictures import SUFFIXES, decode
from autoencoder_hpo.data.pixels import Source, as_stored
from autoencoder_hpo.errors import DataError
from autoencoder_hpo.seeds import seed_for


@dataclass(frozen=True, slots=True)
class _Item:
    """One image in one file, or a noisy and a clean one in two."""

    name: str
    """Path below the folder; decides where patches are cut."""
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """What one item gave: for each of its files the patches, [P,C,H,W]."""

    item: _Item
    tiles: tuple[NDArray[Any], ...]


def read_folder(config: FolderData, folder: Path, *, seed: int) -> Source:
    """Read all images below a folder, in the order of their paths; a group is a file.

    Files that cannot be decoded, or are smaller than a patch, are left out and named.

    Raises:
        DataError: there is no readable image, or the images do not go together.
    """
    items = [_Item(_name(path, folder), (path,)) for path in _images(folder)]
    cuts, skipped = _cut_all(items, config, seed=seed)
    _check_together(cuts, skipped, folder)
    (clean,), full_scale = _stack(cuts)
    return Source(clean, None, _groups(cuts), None, full_scale, skipped, files=_files(cuts))


def read_pairs(config: PairsData, *, noisy: Path, clean: Path, seed: int) -> Source:
    """Read two folders whose files have the same paths, but for the suffix; a group is a pair.

    Raises:
        DataError: as for a folder, and when partners are missing or differ in size.
    """
    items = _partners(noisy, clean)
    cuts, skipped = _cut_all(items, config, seed=seed)
    _check_together(cuts, skipped, clean)
    (noisy_NCHW, clean_NCHW), full_scale = _stack(cuts)
    files = _files(cuts)
    return Source(clean_NCHW, noisy_NCHW, _groups(cuts), None, full_scale, skipped, files=files)


# ---- which files -----------------------------------------------------------------------


def _images(folder: Path) -> list[Path]:
    if not folder.exists():
        raise DataError(f"{folder}: no such folder; correct the path under data")
    if not folder.is_dir():
        raise DataError(f"{folder}: a file; data needs the folder that holds the images")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    images = sorted(
        (path for path in found if path.is_file()), key=lambda path: _name(path, folder)
    )
    if not images:
        kinds = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise DataError(f"{folder}: no images in it or below it; put some there ({kinds})")
    return images


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _partners(noisy: Path, clean: Path) -> list[_Item]:
    noisy_files, clean_files = _by_stem(noisy), _by_stem(clean)
    if alone := sorted(noisy_files.keys() ^ clean_files.keys()):
        named = ", ".join(alone[:3]) + (", …" if len(alone) > 3 else "")
        raise DataError(
            f"{noisy} and {clean}: {len(alone)} images without a partner: {named}; "
            "give both folders files of the same names"
        )
    return [_Item(name, (noisy_files[name], clean_files[name])) for name in clean_files]


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _images(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            raise DataError(
                f"{folder}: {found[stem].name} and {path.name} differ in suffix only; remove one"
            )
        found[stem] = path
    return found


# ---- read and cut ----------------------------------------------------------------------


def _cut_all(
    items: Sequence[_Item], config: FolderData | PairsData, *, seed: int
) -> tuple[list[_Cut], tuple[str, ...]]:
    read = [_cut(item, config, seed=seed) for item in items]
    cuts = [result for result in read if isinstance(result, _Cut)]
    return cuts, tuple(result for result in read if isinstance(result, str))


def _cut(item: _Item, config: FolderData | PairsData, *, seed: int) -> _Cut | str:
    """The item's patches, or why it has to be left out."""
    pictures: list[NDArray[Any]] = []
    for file in item.files:
        try:
            pictures.append(decode(file, color=config.color))
        except DataError as reason:
            return f"{file}: {reason}"
    _check_sizes(item, pictures)
    if config.patch is None:
        return _Cut(item, tuple(picture[None] for picture in pictures))
    height, width = pictures[0].shape[1:]
    if min(height, width) < config.patch:
        size = _size(pictures[0])
        return f"{item.files[-1]}: {size} is smaller than the patch of {config.patch}"
    room = (height - config.patch + 1, width - config.patch + 1)
    corners = _corners(item.name, room, config.patches, seed=seed)
    return _Cut(item, tuple(_patches(picture, corners, config.patch) for picture in pictures))


def _corners(name: str, room: tuple[int, int], count: int, *, seed: int) -> list[tuple[int, int]]:
    """Row and column of every patch: they depend on the file's name, not on other files.

    Args:
        room: how many rows and columns a patch can start in.
    """
    generator = Generator().manual_seed(seed_for(seed, name))
    rows, columns = (
        torch.randint(places, (count,), generator=generator).tolist() for places in room
    )
    return list(zip(rows, columns, strict=True))


def _patches(picture: NDArray[Any], corners: Sequence[tuple[int, int]], side: int) -> NDArray[Any]:
    return np.stack([picture[:, y : y + side, x : x + side] for y, x in corners])


def _check_sizes(item: _Item, pictures: Sequence[NDArray[Any]]) -> None:
    sizes = [_size(picture) for picture in pictures]
    if len(set(sizes)) > 1:
        raise DataError(
            f"{item.files[0]} is {sizes[0]}, its clean partner {sizes[1]}; "
            "both images of a pair need one size"
        )


def _size(picture: NDArray[Any]) -> str:
    return f"{picture.shape[-1]}×{picture.shape[-2]}"


# ---- put together ----------------------------------------------------------------------


def _check_together(cuts: Sequence[_Cut], skipped: Sequence[str], folder: Path) -> None:
    if not cuts:
        raise DataError(
            f"{folder}: none of the {len(skipped)} images can be used, such as {skipped[0]}"
        )
    grey, rgb = _first(cuts, channels=1), _first(cuts, channels=3)
    if grey is not None and rgb is not None:
        raise DataError(f"{grey} is grey, {rgb} is in color; set data.color to grey or rgb")
    first = cuts[0]
    for cut in cuts:
        if _size(cut.tiles[0]) != _size(first.tiles[0]):
            raise DataError(
                f"{first.item.files[-1]} is {_size(first.tiles[0])}, {cut.item.files[-1]} "
                f"{_size(cut.tiles[0])}; set data.patch to cut patches of one size"
            )


def _first(cuts: Sequence[_Cut], *, channels: int) -> Path | None:
    for cut in cuts:
        for file, tiles in zip(cut.item.files, cut.tiles, strict=True):
            if tiles.shape[1] == channels:
                return file
    return None


def _stack(cuts: Sequence[_Cut]) -> tuple[list[Tensor], float | None]:
    """One tensor [N,C,H,W] for each role; 8 bits become 16 when any file has 16."""
    deep = any(tiles.dtype == np.uint16 for cut in cuts for tiles in cut.tiles)
    roles = [
        np.concatenate([_deepen(tiles) if deep else tiles for tiles in role])
        for role in zip(*(cut.tiles for cut in cuts), strict=True)
    ]
    stored = [as_stored(role) for role in roles]
    return [tensor for tensor, _ in stored], stored[0][1]


def _deepen(tiles: NDArray[Any]) -> NDArray[np.uint16]:
    return tiles if tiles.dtype == np.uint16 else tiles.astype(np.uint16) * np.uint16(257)


def _groups(cuts: Sequence[_Cut]) -> Tensor:
    patches = torch.tensor([len(cut.tiles[0]) for cut in cuts])
    return torch.repeat_interleave(torch.arange(len(cuts)), patches)


def _files(cuts: Sequence[_Cut]) -> tuple[str, ...]:
    return tuple(cut.item.name for cut in cuts)
