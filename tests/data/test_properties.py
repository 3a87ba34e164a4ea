"""What holds for every split and every corruption, whatever is asked for."""

import math
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from corruptions import KINDS, inner, make, numbers
from hypothesis import event, given, settings
from hypothesis import strategies as st
from torch import Generator

from autoencoder_hpo.config import Corruption, CorruptionBase, Task
from autoencoder_hpo.data.corruption import corrupt
from autoencoder_hpo.data.splits import ImageSet, folds, load_search_data, load_test_images
from autoencoder_hpo.errors import DataError

SHARE = st.one_of(st.floats(0.01, 0.9), st.integers(1, 30))


def places(images: ImageSet) -> list[int]:
    """Which images of the array these are."""
    return (images.clean[:, 0, 0, 0] * 255).round().int().tolist()


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 60), SHARE, SHARE, st.none() | st.integers(1, 40), st.integers(0, 2**31 - 1))
def test_every_split_divides_all_images_once_or_says_why_not(
    count: int, validation: float, test: float, train: int | None, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pixels = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
        np.save(Path(folder) / "a.npy", pixels)
        data = {"dataset": "array", "path": "a.npy", "train": train,
                "validation": validation, "test": test}  # fmt: skip
        task = Task.model_validate(
            {"data": data, "corruption": {"kind": "none"}, "epochs": 1, "seed": seed}
        )
        where = {"base": Path(folder), "datasets": Path(folder)}
        try:
            found = load_search_data(task, **where)
            held_out = places(load_test_images(task, **where))
        except DataError as error:
            said = str(error)
            event("refused")
        else:
            said = ""
        assert "\n" not in said
        if said:
            return
        parts = [places(found.train), places(found.validation), held_out]
        together = sorted(chain(*parts))
        assert all(parts)
        assert len(set(together)) == len(together)
        if train is None:
            assert together == list(range(count))
        else:
            assert len(parts[0]) == train
        assert load_search_data(task, **where).hash == found.hash
        _check_folds(found, seed)


def _check_folds(found: Any, seed: int) -> None:
    known = sorted(places(found.train) + places(found.validation))
    many = min(3, len(known))
    if many < 2:
        return
    held = []
    for train, validation in folds(found, many, seed):
        assert sorted(places(train) + places(validation)) == known
        held += places(validation)
    assert sorted(held) == known


def within(kind: type[CorruptionBase], name: str) -> st.SearchStrategy[float]:
    low, high = numbers(kind)[name]
    whole = kind.model_fields[name].annotation is int
    return st.integers(math.ceil(low), math.floor(high)) if whole else st.floats(low, high)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.data(), st.integers(0, 2**31 - 1), st.booleans())
def test_every_corruption_leaves_its_input_and_repeats_itself(
    kind: type[CorruptionBase], data: st.DataObject, seed: int, clip: bool
) -> None:
    drawn = {name: data.draw(within(kind, name)) for name in numbers(kind)}
    config: Corruption = make(kind, {**data.draw(st.sampled_from(inner(kind))), **drawn}, clip=clip)
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    clean = torch.rand(shape, generator=Generator().manual_seed(seed))
    before = clean.clone()
    noisy = corrupt(clean, config, Generator().manual_seed(seed))
    assert torch.equal(clean, before)
    assert (noisy.shape, noisy.dtype) == (clean.shape, clean.dtype)
    assert noisy.isfinite().all()
    assert not clip or (noisy.min() >= 0 and noisy.max() <= 1)
    assert torch.equal(noisy, corrupt(clean, config, Generator().manual_seed(seed)))
