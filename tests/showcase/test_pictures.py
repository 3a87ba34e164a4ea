"""What people look at, drawn."""

import pytest
import torch
from PIL import Image

from autoencoder_hpo.showcase.pictures import (
    GAP,
    MARGIN,
    TILE,
    TITLE,
    curves,
    gallery,
    panel,
    pixels,
    restoration,
    strip,
    unstrip,
)
from autoencoder_hpo.showcase.preview_images import Probes
from autoencoder_hpo.training.results import EpochResult, Level

SHAPES = [(1, 8, 8), (3, 8, 8), (2, 9, 7), (4, 8, 8), (1, 1, 30), (1, 100, 120)]


def grey(value: float, number: int, *shape: int) -> torch.Tensor:
    return torch.full((number, *shape), value)


def middle_of(sheet: Image.Image, column: int) -> object:
    return sheet.getpixel((GAP + column * (TILE + GAP) + 5, 3 * TITLE + GAP + TILE // 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_any_image_can_be_shown(shape: tuple[int, ...]) -> None:
    probes = Probes([0, 1, 2], grey(0.2, 3, *shape), grey(0.8, 3, *shape))
    sheet = restoration(probes, grey(0.5, 3, *shape), {})
    assert sheet.mode == "RGB"
    assert min(sheet.size) >= TILE


def test_columns_stand_in_order_and_the_error_is_bright_where_it_is_large() -> None:
    probes = Probes([0], grey(0.0, 1, 1, 8, 8), grey(1.0, 1, 1, 8, 8))
    sheet = restoration(probes, grey(0.5, 1, 1, 8, 8), {"noisy": "16.0 dB"})
    assert [middle_of(sheet, n) for n in range(3)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]
    right = restoration(probes, probes.clean, {})
    assert sum(middle_of(sheet, 3)) > 600 > 50 > sum(middle_of(right, 3))  # type: ignore[arg-type]


def test_images_that_do_not_fill_the_last_block_are_drawn() -> None:
    five = pixels(grey(0.5, 5, 1, 8, 8))
    assert panel({"noisy": five}).width == 2 * panel({"noisy": five}, blocks=[""]).width


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7)])
def test_a_strip_gives_its_images_back(shape: tuple[int, ...]) -> None:
    images = torch.randint(0, 256, (4, *shape), generator=torch.Generator().manual_seed(0)) / 255
    assert torch.allclose(unstrip(strip(pixels(images)), 4), images)


def test_a_gallery_has_a_row_for_each_trial() -> None:
    crops = grey(1.0, 6, 1, 8, 8)
    sheet = gallery([("clean", "", crops), ("trial 3", "unet, 20.1 dB", crops * 0)])
    assert sheet.size == (MARGIN + 6 * (TILE + GAP), GAP + 2 * (TILE + GAP))
    assert sheet.getpixel((MARGIN + 5, GAP + 5)) == (255, 255, 255)
    assert sheet.getpixel((MARGIN + 5, GAP + TILE + GAP + 5)) == (0, 0, 0)


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("noisy", [Level(0.02, 17.0, None), Level(None, None, None)])
def test_curves_are_drawn(epochs: int, noisy: Level) -> None:
    history = [
        EpochResult(n, train_loss=0.1 / n, val_mse=0.05 / n, val_psnr=12.0 + n, learning_rate=0.1)
        for n in range(1, epochs + 1)
    ]
    drawn = curves(history, noisy)
    assert drawn.mode == "RGB"
    assert len(drawn.getcolors(10**6) or []) > 10


def test_curves_show_nothing_of_those_drawn_before() -> None:
    def drawn(epochs: int) -> bytes:
        history = [
            EpochResult(
                n, train_loss=0.1 / n, val_mse=0.05 / n, val_psnr=12.0 + n, learning_rate=0.1
            )
            for n in range(1, epochs + 1)
        ]
        return curves(history, Level(0.02, 17.0, None)).tobytes()

    first = drawn(5)
    assert drawn(1) != first
    assert drawn(5) == first
