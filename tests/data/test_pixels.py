"""What a source promises, whoever read it."""

from dataclasses import replace

import pytest
import torch

from autoencoder_hpo.data.pixels import Source, check_source
from autoencoder_hpo.errors import DataError

GOOD = Source(
    torch.zeros(6, 1, 4, 5),
    torch.zeros(6, 1, 4, 5),
    torch.tensor([0, 0, 1, 1, 2, 2]),
    official_test=torch.zeros(3, 1, 4, 5),
    full_scale=1.0,
    files=("a.npy", "b.npy", "c.npy"),
    classes=("cat", "dog", "cat", "dog", "cat", "dog"),
    test_classes=("cat", "dog", "cat"),
)


def holed(images: torch.Tensor, *place: int) -> torch.Tensor:
    images = images.clone()
    images[place] = torch.nan
    return images


def test_a_source_that_keeps_them_all() -> None:
    check_source(GOOD, place="here")
    check_source(replace(GOOD, files=(), classes=None, noisy=None), place="here")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"clean": torch.zeros(())}, r"here: images \[\]; needed are \[N,C,H,W\] .*, so save each"),
        ({"clean": torch.zeros(6, 4, 5)}, r"here: images \[6,4,5\]; needed are \[N,C,H,W\]"),
        ({"clean": torch.zeros(6, 1, 0, 5)}, r"here: images \[6,1,0,5\]; needed are"),
        ({"clean": torch.zeros(0, 1, 4, 5)}, r"here: images: there are none; put some there"),
        ({"clean": GOOD.clean.to(torch.complex64)}, r"here: images of complex numbers; save real"),
        (
            {"noisy": torch.zeros(6, 1, 4, 4)},
            r"clean images \[6,1,4,5\], but noisy ones \[6,1,4,4\]; give every image one partner",
        ),
        (
            {"official_test": torch.zeros(3, 1, 5, 5)},
            r"images \[6,1,4,5\], but test images \[3,1,5,5\]; make all of one size",
        ),
        ({"official_test": torch.zeros(0, 1, 4, 5)}, r"here: test images: there are none; put"),
        ({"classes": ("cat", "dog")}, r"here: 2 labels for 6 images; give every image one"),
        ({"test_classes": ("cat", "dog")}, r"here: 2 labels for 3 images; give every image one"),
        (
            {"clean": holed(GOOD.clean, 3, 0, 1, 2)},
            r"here: 1 values are NaN or infinite, the first in image 3, b\.npy, at \[0, 1, 2\] "
            r"\(channel, row, column\); repair or remove",
        ),
        (
            {"clean": holed(GOOD.clean, 3, 0, 1, 2) - torch.inf, "files": ()},
            r"120 values are NaN or infinite, the first in image 0 at \[0, 0, 0\]",
        ),
        ({"noisy": holed(GOOD.clean, 5, 0, 3, 4)}, r"first in image 5, c\.npy, at \[0, 3, 4\]"),
        (
            {"official_test": holed(GOOD.official_test, 2, 0, 0, 0)},
            r"first in test image 2 at \[0, 0, 0\]",
        ),
    ],
)
def test_what_images_can_break_is_said_in_one_line(broken: dict, said: str) -> None:
    with pytest.raises(DataError, match=rf"^[^\n]*{said}[^\n]*$"):
        check_source(replace(GOOD, **broken), place="here")


def test_what_will_be_filled_may_be_missing() -> None:
    check_source(replace(GOOD, clean=holed(GOOD.clean, 0), missing="mean"), place="here")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"group": GOOD.group.int()}, "int64"),
        ({"group": GOOD.group[:5]}, "every image belongs to one group"),
        ({"group": GOOD.group + 1}, "numbered from 0, without gaps"),
        ({"files": ("a.npy", "b.npy")}, "every group is one file"),
    ],
)
def test_what_only_a_reader_can_break_is_a_bug(broken: dict, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_source(replace(GOOD, **broken), place="here")
