"""What is wrong with the images: each cause planted in real ones, and healthy ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from histories import DATA, kinds, only
from records import as_facts
from support import inputs_of, study_file

from autoencoder_hpo.data.splits import ImageSet, SearchData
from autoencoder_hpo.data.statistics import image_statistics
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.images import of_images
from autoencoder_hpo.inputs import describe
from autoencoder_hpo.settings import Settings

STUDY = study_file().study


def garments(count: int, seed: int) -> torch.Tensor:
    """Bright shapes of many sizes on black, [N, 1, 16, 16]: half of the pixels are 0."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, 1, 16, 16), np.float32)
    for image in images:
        height, width = random.integers(8, 15, 2)
        shade = random.uniform(0.3, 0.9) + random.normal(0, 0.05, (height, width))
        image[0, 1 : height + 1, 1 : width + 1] = shade.clip(0, 1)
    return torch.from_numpy(images)


def facts_of(train: torch.Tensor, validation: torch.Tensor, **known: Any) -> Facts:
    counts = {"train": len(train), "validation": len(validation), "test": 9}
    images = SearchData(ImageSet(train), ImageSet(validation), "", counts, (), **known)
    data = {
        **DATA,
        "counts": counts,
        "shape": list(images.shape),
        "census": image_statistics(images).as_record(),
    }
    return as_facts(STUDY, data, [])


def found_in(train: torch.Tensor, validation: torch.Tensor, **known: Any) -> list[Finding]:
    return of_images(facts_of(train, validation, **known))


@pytest.fixture
def healthy() -> tuple[torch.Tensor, torch.Tensor]:
    return garments(1200, 1), garments(200, 2)


def test_healthy_images_have_no_findings(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = healthy
    facts = facts_of(train, validation)
    assert 0.4 < facts.data.census.at_0 < 0.7
    assert of_images(facts) == []
    two_colors = (torch.rand(1400, 1, 16, 16) > 0.6).float()
    assert found_in(two_colors[:1200], two_colors[1200:]) == []
    assert found_in(1 - train, 1 - validation) == []  # on white


def test_the_digits_of_the_quickstart_have_no_findings(settings: Settings) -> None:
    file = study_file(task={"data": {"dataset": "digits", "train": None, "validation": 0.1}})
    assert of_images(as_facts(file.study, describe(inputs_of(file, settings)), [])) == []


def test_copies_of_training_images_in_validation(
    healthy: tuple[torch.Tensor, torch.Tensor],
) -> None:
    train, validation = healthy
    validation[:4] = train[100:104]
    found = only(found_in(train, validation), "duplicates")
    assert (found.figures["copies"], found.sure) == (4, "certain")
    assert "4 of 200 validation images" in found.seen
    validation[0, 0, 3, 3] += 1e-4  # no copy any more
    validation[1] = 0.5
    validation[2] = 0.5
    train[:3] = 0.5  # empty ones are no copies of each other
    assert found_in(train, validation) == []


def test_empty_images(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = healthy
    train[:30] = 0.4
    found = found_in(train, validation)
    assert kinds(found) == ["constant-images"]
    assert found[0].figures["constant"] == 30
    assert found_in(train[20:], validation) == []  # ten of 1,380 do no harm


def test_a_range_that_was_cut_at_both_ends(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = ((4 * part - 1.6).clamp(0, 1) for part in healthy)
    found = only(found_in(train, validation), "saturated-images")
    assert "of all values are 0" in found.seen


def test_single_images_that_are_white(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = healthy
    train[:40] = (train[:40] + torch.rand(40, 1, 16, 16) + 0.6).clamp(0, 1)
    found = only(found_in(train, validation), "saturated-images")
    assert found.figures["white"] == 40


def test_images_of_another_kind(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = healthy
    train, validation = 0.3 * train, 0.3 * validation
    train[:5] = 0.9 + 0.05 * torch.rand(5, 1, 16, 16)
    found = only(found_in(train, validation), "outliers")
    assert found.figures["outliers"] == 5
    assert found_in(train[4:], validation) == []


def test_folders_of_very_different_sizes(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = healthy
    found = only(found_in(train, validation, classes={"cats": 1180, "dogs": 20}), "imbalance")
    assert "Folder dogs has 20 training images and folder cats 1,180" in found.seen
    assert found_in(train, validation, classes={"cats": 1000, "dogs": 200}) == []


def test_too_few_images(healthy: tuple[torch.Tensor, torch.Tensor]) -> None:
    train, validation = healthy
    found = only(found_in(train[:120], validation), "too-few-images")
    assert found.figures["train"] == 120
    assert found.change == "task.data.train: null"  # the study had asked for 200
    few = only(found_in(train, validation[:12]), "too-few-images")
    assert few.change == "task.data.validation: 0.2"
    large = torch.nn.functional.interpolate(train[:120], size=(64, 64))
    assert "too-few-images" not in kinds(found_in(large, validation.repeat(1, 1, 4, 4)))


def test_a_study_without_a_census_is_judged_by_what_it_knows() -> None:
    assert of_images(as_facts(STUDY, DATA, [])) == []


def test_folders_are_counted_as_they_lie(tmp_path: Path, settings: Settings) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for folder, count in (("cats", 40), ("dogs", 4)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            pixels = random.integers(0, 256, (12, 12), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    data = {"dataset": "folder", "path": str(tmp_path), "train": None, "test": 2}
    known = describe(inputs_of(study_file(task={"data": {**data, "validation": 4}}), settings))
    folders = known.census.folders.as_record()
    assert (folders["number"], folders["most"][0], folders["fewest"][0]) == (2, "cats", "dogs")
    assert folders["most"][1] + folders["fewest"][1] == known.counts["train"] == 38
