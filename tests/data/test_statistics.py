"""What is counted of a study's images."""

import torch

from autoencoder_hpo.data.splits import ImageSet, SearchData
from autoencoder_hpo.data.statistics import LOOKED_AT, image_statistics


def counted(train: torch.Tensor, validation: torch.Tensor, **known: object) -> dict[str, object]:
    images = SearchData(ImageSet(train), ImageSet(validation), "", {}, (), **known)  # type: ignore[arg-type]
    return image_statistics(images).as_record()


def test_counts_and_shares() -> None:
    train = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    train[0], train[1, 0, :3], train[2, 0, 0] = 0.3, 1.0, 0.0
    validation = torch.stack([train[0], train[5], 0.9 * train[6]])
    found = counted(train, validation)
    assert found["looked_at"] == 53
    assert found["copies"] == 1  # the constant one does not count
    assert found["constant"] == 2
    assert found["white"] == 1
    assert found["at_1"] == round(12 / 16 / 53, 4)
    assert found["at_0"] == round(4 / 16 / 53, 4)
    assert found["typically_white"] == 0
    assert found["folders"] is None


def test_copies_are_looked_for_among_all_images() -> None:
    many = torch.rand(LOOKED_AT + 10, 1, 1, 3, generator=torch.Generator().manual_seed(2))
    found = counted(many, many[-2:].clone())
    assert (found["copies"], found["looked_at"]) == (2, LOOKED_AT)
