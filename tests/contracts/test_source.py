"""What every kind of data set keeps, whoever adds it.

A kind that is added to `DataConfig` is tested here without anybody remembering it: it only has to
say in `MAKERS` how images are written in its format.
"""

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import yaml
from contracts.listing import listing
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter
from support import inputs_of, study_file, study_text

from autoencoder_hpo.config import (
    ArrayData,
    DataConfig,
    DigitsData,
    FolderData,
    PairsData,
    Task,
    TorchvisionData,
)
from autoencoder_hpo.config.data import DataBase
from autoencoder_hpo.data.splits import (
    HeldOut,
    ImageSet,
    SearchData,
    folds,
    load_held_out,
    load_search_data,
)
from autoencoder_hpo.errors import DataError
from autoencoder_hpo.inputs import check_models, describe
from autoencoder_hpo.settings import Settings

Images = Sequence[NDArray[Any]]
COUNT = 24

# ---- one small example of each kind ------------------------------------------------------


def _array(folder: Path, images: Images) -> dict[str, Any]:
    np.save(folder / "images.npy", _stacked(images))
    return {"dataset": "array", "path": "images.npy"}


def _folder(folder: Path, images: Images, name: str = "images") -> dict[str, Any]:
    (folder / name).mkdir()
    for number, image in enumerate(images):
        suffix = "png" if image.dtype == np.uint8 else "tif"
        Image.fromarray(image[0]).save(folder / name / f"{number:02}.{suffix}")
    return {"dataset": "folder", "path": name, "patch": 8, "patches": 2}


def _pairs(folder: Path, images: Images) -> dict[str, Any]:
    for name in ("noisy", "clean"):
        _folder(folder, images, name)
    return {"dataset": "pairs", "noisy": "noisy", "clean": "clean"}


def _torchvision(folder: Path, images: Images) -> dict[str, Any]:
    """Three quarters are the official training images, the others the official test images."""
    (folder / "mnist").mkdir()
    cut = len(images) * 3 // 4
    for name, part in (("train", images[:cut]), ("t10k", images[cut:])):
        pixels = _stacked(part)
        grey = pixels[:, 0] if pixels.shape[1:2] == (1,) else pixels
        labels = np.arange(len(part), dtype=np.uint8) % 3
        (folder / "mnist" / f"{name}-images-idx3-ubyte").write_bytes(_idx(grey))
        (folder / "mnist" / f"{name}-labels-idx1-ubyte").write_bytes(_idx(labels))
    return {"dataset": "mnist", "root": "mnist"}


def _digits(folder: Path, images: Images) -> dict[str, Any]:
    return {"dataset": "digits"}


MAKERS: dict[type, Callable[[Path, Images], dict[str, Any]]] = {
    ArrayData: _array,
    FolderData: _folder,
    PairsData: _pairs,
    TorchvisionData: _torchvision,
    DigitsData: _digits,
}
"""Writes images in the format of a kind, however odd they are, and returns the `data` for them.

Each image is [1,8,8] unless a test wants it otherwise. What the format cannot hold may raise
TypeError, ValueError or IndexError.
"""
FIXED = {DigitsData}
"""Their images come with a library: no user can damage them."""

KINDS: tuple[type[DataBase], ...] = get_args(get_args(DataConfig)[0])
MADE = [kind for kind in KINDS if kind in MAKERS]


def name_of(kind: type[DataBase]) -> str:
    """What a study file calls it; torchvision's have all of their names."""
    return "-".join(get_args(kind.model_fields["dataset"].annotation))


def each(kinds: Sequence[type[DataBase]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", kinds, ids=name_of)


EVERY = each(MADE)
WRITTEN = each([kind for kind in MADE if kind not in FIXED])


@each(KINDS)
def test_every_kind_has_an_example(kind: type) -> None:
    """The one thing to do here for a kind that is added; all that is below then tests it."""
    assert kind in MAKERS, (
        f"{kind.__name__}: add a function to MAKERS in tests/contracts/test_source.py that "
        "writes images in its format and returns the `data` for them"
    )


def _stacked(images: Images) -> NDArray[Any]:
    return np.stack(images) if images else np.zeros((0, 1, 8, 8), np.uint8)


def _idx(values: NDArray[Any]) -> bytes:
    """The format of MNIST's files: a code for the type, the sizes, the values."""
    codes = {"uint8": 0x08, "float32": 0x0D}
    if values.dtype.name not in codes:
        raise TypeError(values.dtype)
    header = struct.pack(
        f">2x2B{values.ndim}I", codes[values.dtype.name], values.ndim, *values.shape
    )
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def made(kind: type, folder: Path, images: Images) -> Task:
    """A task on these images, written below the folder; skips where the format cannot hold them."""
    folder.mkdir(exist_ok=True)
    try:
        data = MAKERS[kind](folder, images)
    except (TypeError, ValueError, IndexError) as error:
        pytest.skip(f"the format cannot hold them: {error}")
    return task_of({**data, "train": None, "validation": 0.2, "test": 0.2})


def task_of(data: dict[str, Any], **changes: Any) -> Task:
    config = TypeAdapter(DataConfig).validate_python(data)
    noise = None if config.paired else {"kind": "gaussian", "sigma": 0.2}
    return Task.model_validate({"data": data, "corruption": noise, "epochs": 1, **changes})


def changed(task: Task, **changes: Any) -> Task:
    """The task with another seed, or another scale or number of training images."""
    data = task.data.model_dump()
    data |= {key: changes.pop(key) for key in ("scale", "train") if key in changes}
    return task_of(data, **changes)


def pictures(count: int = COUNT, shape: tuple[int, ...] = (1, 8, 8)) -> list[NDArray[Any]]:
    """uint8, all different."""
    return list(np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8))


def floats(images: Images) -> list[NDArray[Any]]:
    return [image.astype(np.float32) / 255 for image in images]


def load(task: Task, folder: Path) -> tuple[SearchData, HeldOut]:
    places = {"base": folder, "datasets": folder}
    return load_search_data(task, **places), load_held_out(task, **places)


def parts(loaded: tuple[SearchData, HeldOut]) -> list[ImageSet]:
    search, held_out = loaded
    return [search.train, search.validation, held_out.images]


def known(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.clean}


@contextmanager
def refused() -> Iterator[None]:
    """An error that a user can do something with: one line, the place, the remedy."""
    with pytest.raises(DataError) as caught:
        yield
    said = str(caught.value)
    assert "\n" not in said
    assert "; " in said, f"no remedy in: {said}"


def refused_or_good(task: Task, folder: Path) -> None:
    """Such images may suit one format and not another; none ends in a traceback."""
    try:
        loaded = load(task, folder)
    except DataError as error:
        loaded, said = None, str(error)
    else:
        said = ""
    assert "\n" not in said
    if loaded is not None:
        _check_values(loaded)


def _check_values(loaded: tuple[SearchData, HeldOut]) -> None:
    shape = loaded[0].shape
    for images in parts(loaded):
        for pixels in (images.clean, images.noisy):
            if pixels is not None:
                assert pixels.dtype == torch.float32
                assert pixels.shape == (len(images), *shape)
                assert pixels.isfinite().all()
                assert 0 <= pixels.min() <= pixels.max() <= 1


# ---- good images -------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("scale", ["dtype", "minmax"])
def test_images_come_as_floats_from_0_to_1(kind: type, scale: str, tmp_path: Path) -> None:
    """Two training images tell little of the others' extremes, which are clamped."""
    task = made(kind, tmp_path, pictures())
    loaded = load(changed(task, scale=scale, train=2), tmp_path)
    _check_values(loaded)
    assert (loaded[0].train.noisy is not None) == task.data.paired
    assert loaded[0].train.clean.max() > 0.9


@EVERY
def test_labels_and_groups_go_with_the_images(kind: type, tmp_path: Path) -> None:
    search, held_out = load(made(kind, tmp_path, pictures()), tmp_path)
    assert search.groups is not None
    assert [len(group) for group in search.groups] == [len(search.train), len(search.validation)]
    assert len(held_out.group) == len(held_out.images)
    for names, images in (
        (search.validation.names, search.validation),
        (held_out.names, held_out.images),
    ):
        assert names is None or len(names) == len(images)
    assert search.counts == dict(
        zip(("train", "validation", "test"), map(len, parts((search, held_out))), strict=True)
    )


@EVERY
def test_no_image_and_no_file_is_on_two_sides(kind: type, tmp_path: Path) -> None:
    search, held_out = load(made(kind, tmp_path, pictures()), tmp_path)
    train, validation, test = map(known, parts((search, held_out)))
    assert not train & (validation | test)
    assert not validation & test
    if kind not in FIXED:
        assert len(train | validation | test) == COUNT
    assert search.groups is not None
    assert not set(search.groups[0].tolist()) & set(search.groups[1].tolist())
    for one, other in folds(search, 3, 0):
        assert not known(one) & known(other)


@EVERY
def test_the_seed_alone_decides_the_split(kind: type, tmp_path: Path) -> None:
    task = made(kind, tmp_path, pictures())
    one, again, other = (load(changed(task, seed=seed), tmp_path) for seed in (3, 3, 4))
    for here, there in zip(parts(one), parts(again), strict=True):
        assert torch.equal(here.clean, there.clean)
    assert known(one[0].validation) != known(other[0].validation)


@EVERY
def test_equal_images_have_an_equal_hash(kind: type, tmp_path: Path) -> None:
    hashes = set()
    for name in ("here", "there"):
        task = made(kind, tmp_path / name, pictures())
        hashes.add(load(task, tmp_path / name)[0].hash)
    assert len(hashes) == 1


@WRITTEN
def test_the_order_that_files_are_listed_in_decides_nothing(kind: type, tmp_path: Path) -> None:
    """Each file system has its own."""
    task = made(kind, tmp_path, pictures())
    found = []
    for backwards in (False, True):
        with listing(backwards=backwards):
            found.append(load(task, tmp_path))
    one, other = found
    assert one[0].hash == other[0].hash
    for here, there in zip(parts(one), parts(other), strict=True):
        assert torch.equal(here.clean, there.clean)
        assert here.noisy is None or torch.equal(here.noisy, there.noisy)


@WRITTEN
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_the_brightest_value_of_its_type_becomes_1(kind: type, dtype: str, tmp_path: Path) -> None:
    whole = 1 if dtype.startswith("float") else np.iinfo(dtype).max
    images = [(image / 255 * whole).astype(dtype) for image in pictures()]
    task = made(kind, tmp_path, images)
    try:
        loaded = load(task, tmp_path)
    except DataError as error:
        pytest.skip(f"it takes no {dtype}: {error}")
    for some in parts(loaded):
        for pixels in (some.clean, some.noisy):
            if pixels is not None:
                assert pixels.max() > 0.9
                assert 0.4 < pixels.mean() < 0.6


@WRITTEN
def test_every_pixel_changes_the_hash(kind: type, tmp_path: Path) -> None:
    """Those of test images as well: a search that is resumed on others is to be told so."""
    hashes = set()
    for number in range(COUNT + 1):
        images = pictures()
        if number < COUNT:
            images[number][0, 7, number % 8] ^= 1
        folder = tmp_path / str(number)
        hashes.add(load(made(kind, folder, images), folder)[0].hash)
    assert len(hashes) == COUNT + 1


@EVERY
def test_the_config_survives_a_file(kind: type, tmp_path: Path) -> None:
    data = made(kind, tmp_path, pictures()).data
    tree = yaml.safe_load(yaml.safe_dump(data.model_dump(mode="json")))
    assert TypeAdapter(DataConfig).validate_python(tree) == data
    noise = None if data.paired else {"kind": "none"}
    task = {"data": tree, "corruption": noise}
    assert study_file(task=task).study.task.data == data


@EVERY
def test_a_study_can_be_made_of_it(kind: type, tmp_path: Path, settings: Settings) -> None:
    task = made(kind, tmp_path, pictures())
    file = study_file(task=task.model_dump(mode="json"))
    inputs = inputs_of(file, replace(settings, data=tmp_path))
    check_models(file, inputs)
    stored = json.loads(json.dumps(describe(inputs).as_record(), allow_nan=False))
    assert stored["shape"] == [1, 8, 8]
    assert all(stored["counts"].values())


# ---- bad images --------------------------------------------------------------------------


@WRITTEN
@pytest.mark.parametrize(
    ("number", "value"), [(0, np.nan), (COUNT // 2, np.inf), (COUNT - 1, -np.inf)]
)
@pytest.mark.parametrize("scale", ["dtype", "minmax"])
def test_one_pixel_that_is_no_number_is_refused(
    kind: type, number: int, value: float, scale: str, tmp_path: Path
) -> None:
    images = floats(pictures())
    images[number][0, 2, 3] = value
    task = changed(made(kind, tmp_path, images), scale=scale)
    with refused():
        load(task, tmp_path)


@WRITTEN
def test_the_command_line_says_it_in_one_line(
    kind: type, tmp_path: Path, call: Callable[..., Any]
) -> None:
    for name, images in (("good", pictures()), ("bad", floats(pictures()))):
        if name == "bad":
            images[5][0, 0, 0] = np.nan
        task = made(kind, tmp_path / name, images).model_dump(mode="json")
        (tmp_path / name / "study.yaml").write_text(study_text(name=name, task=task))
    call("create", "good/study.yaml").good()
    assert call("create", "bad/study.yaml").line


@WRITTEN
@pytest.mark.parametrize("shape", [(), (1, 1, 1, 8, 8)], ids=str)
def test_what_is_no_image_is_refused(kind: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    images = [np.full(shape, number, np.uint8) for number in range(COUNT)]
    task = made(kind, tmp_path, images)
    with refused():
        load(task, tmp_path)


@WRITTEN
@pytest.mark.parametrize("shape", [(8,), (8, 8), (3, 8, 8), (1, 1, 8, 8), (1, 0, 8)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.complex64])
def test_odd_images_never_end_in_a_traceback(
    kind: type, shape: tuple[int, ...], dtype: type, tmp_path: Path
) -> None:
    images = [image.astype(dtype) for image in pictures(shape=shape)]
    refused_or_good(made(kind, tmp_path, images), tmp_path)


@WRITTEN
def test_images_of_two_sizes_never_end_in_a_traceback(kind: type, tmp_path: Path) -> None:
    images = [*pictures(12), *pictures(12, (1, 9, 8))]
    refused_or_good(made(kind, tmp_path, images), tmp_path)


@WRITTEN
@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_images_are_refused(kind: type, count: int, tmp_path: Path) -> None:
    task = made(kind, tmp_path, pictures(count))
    with refused():
        load(task, tmp_path)


@WRITTEN
def test_damaged_files_never_end_in_a_traceback(kind: type, tmp_path: Path) -> None:
    task = made(kind, tmp_path, pictures())
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    for file in {*files[:2], *files[-2:]}:
        whole = file.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], b"no image at all"):
            file.write_bytes(damaged)
            refused_or_good(task, tmp_path)
        file.write_bytes(whole)


@WRITTEN
def test_missing_files_are_refused(kind: type, tmp_path: Path) -> None:
    task = made(kind, tmp_path, pictures())
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        file.unlink()
    with refused():
        load(task, tmp_path)
