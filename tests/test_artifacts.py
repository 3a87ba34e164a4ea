"""Pictures, and where they live."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from autoencoder_hpo.artifacts import (
    GAP,
    TILE,
    TITLE,
    panel,
    remove_study,
    save_panel,
    study_directory,
    trial_directory,
)
from autoencoder_hpo.settings import Settings


def columns(number: int, *shape: int) -> dict[str, torch.Tensor]:
    dark, light = torch.zeros(number, *shape), torch.ones(number, *shape)
    return {"noisy": dark, "restored": (dark + light) / 2, "clean": light}


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 8, 8), (2, 9, 7), (4, 8, 8), (1, 1, 30), (1, 200, 300)]
)
def test_any_image_can_be_shown(shape: tuple[int, ...]) -> None:
    sheet = panel(columns(5, *shape))
    assert sheet.mode == "RGB"
    assert min(sheet.size) >= TILE


def test_columns_stand_in_order() -> None:
    sheet = panel(columns(1, 1, 8, 8), captions={"noisy": "16.0 dB"})
    middle = 2 * TITLE + GAP + TILE // 2
    found = [sheet.getpixel((GAP + n * (TILE + GAP) + 5, middle)) for n in range(3)]
    assert found == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]


def test_a_reader_never_sees_half_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "restored.png"
    save_panel(path, panel(columns(2, 1, 8, 8)))
    save_panel(path, panel(columns(2, 1, 8, 8)))
    with Image.open(path) as picture:
        picture.verify()
    assert [file.name for file in path.parent.iterdir()] == ["restored.png"]


def test_studies_of_one_name_in_two_databases_keep_apart(settings: Settings) -> None:
    one = trial_directory(settings, "digits", "aa", 3)
    assert one.parent == study_directory(settings, "digits", "aa")
    other = study_directory(settings, "digits", "bb")
    for folder in (one, other):
        folder.mkdir(parents=True)
    remove_study(settings, "digits", "aa")
    assert not one.exists()
    assert other.exists()
    remove_study(settings, "digits", "cc")  # nothing there: nothing to do
