"""Which images are looked at."""

import torch
from support import prepared

from autoencoder_hpo.showcase.preview_images import CROP, EACH, choose_probes


def images(number: int, *shape: int) -> torch.Tensor:
    """Smooth ones, and from the third last on ever more rugged ones."""
    result = torch.full((number, *shape), 0.5)
    for rank, at in enumerate(range(max(0, number - 3), number), start=1):
        result[at, :, ::2, ::2] += 0.1 * rank
    return result


def test_the_hardest_stand_behind_the_typical() -> None:
    probes = choose_probes(prepared(images(20, 1, 8, 8)))
    assert probes.index[EACH:] == [19, 18, 17]
    assert not set(probes.index[:EACH]) & {17, 18, 19}


def test_they_are_the_same_every_time_and_their_crops_belong_to_them() -> None:
    data = prepared(torch.rand(30, 3, 9, 7, generator=torch.Generator().manual_seed(0)))
    one, two = choose_probes(data), choose_probes(data)
    assert one.index == two.index
    assert len(set(one.index)) == 2 * EACH
    assert torch.equal(one.clean, data.val_clean[one.index])
    assert torch.equal(one.crops_of(data.val_noisy), one.noisy)


def test_few_images_and_odd_shapes() -> None:
    assert choose_probes(prepared(images(1, 1, 8, 8))).index == [0]
    assert len(choose_probes(prepared(images(4, 1, 8, 8))).index) == 4
    assert choose_probes(prepared(torch.rand(9, 1, 1, 30))).clean.shape == (6, 1, 1, 30)
    assert choose_probes(prepared(torch.rand(9, 1, 2, 2))).clean.shape == (6, 1, 2, 2)


def test_large_images_are_shown_by_their_middle() -> None:
    data = prepared(torch.rand(6, 1, 300, 200))
    probes = choose_probes(data)
    assert probes.clean.shape == (6, 1, CROP, CROP)
    top, left = (300 - CROP) // 2, (200 - CROP) // 2
    assert torch.equal(probes.clean[0, 0, 0, 0], data.val_clean[probes.index[0], 0, top, left])
