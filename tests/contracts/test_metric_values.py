"""What the values of every metric keep, whoever adds it: that they are numbers, each of one image.

Which of two is better is in `test_metric`.
"""

import pytest
import torch
from torch import Generator, Tensor

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.training.metrics import per_image

each_metric = pytest.mark.parametrize("metric", Metric)


def images(*shape: int, seed: int = 0) -> Tensor:
    """Of pixels in [0, 1]."""
    return torch.rand(shape, generator=Generator().manual_seed(seed))


def least_side(metric: Metric) -> int:
    """Of the smallest square that it takes."""
    return next(n for n in range(1, 100) if metric.refuses_shape((1, n, n)) is None)


@each_metric
@pytest.mark.parametrize("channels", [1, 3])
def test_a_score_is_of_one_image(metric: Metric, channels: int) -> None:
    """However different the others are."""
    level = torch.tensor([0.05, 0.3, 0.6, 1.0])[:, None, None, None]
    clean = images(4, channels, 9, 12) * level
    restored = images(4, channels, 9, 12, seed=1) * level.flip(0)
    found = per_image(metric, restored, clean)
    alone = [
        per_image(metric, one, other)
        for one, other in zip(restored.split(1), clean.split(1), strict=True)
    ]
    assert found.shape == (4,)
    assert len(set(found.tolist())) == 4
    torch.testing.assert_close(found, torch.cat(alone), rtol=1e-5, atol=1e-6)


@each_metric
def test_pixels_outside_of_the_unit_have_a_score_unless_it_says_otherwise(metric: Metric) -> None:
    """As a model without a sigmoid restores them, in its first epochs above all."""
    if metric.refuses_output("linear") is not None:
        pytest.skip("it needs restored pixels in [0, 1]")
    clean = images(3, 1, 9, 12)
    restored = torch.stack([torch.full_like(clean[0], -2), torch.full_like(clean[0], 3), clean[2]])
    restored[2, 0, 0, :2] = torch.tensor([-2, 3])
    assert per_image(metric, restored, clean).isfinite().all()


@each_metric
def test_its_least_side_is_enough_and_one_less_is_refused(metric: Metric) -> None:
    least = least_side(metric)
    for height, width in ((least, least + 4), (least + 4, least), (least, least)):
        clean, restored = images(2, 1, height, width), images(2, 1, height, width, seed=1)
        assert metric.refuses_shape(clean.shape) is None
        assert per_image(metric, restored, clean).isfinite().all()
    for height, width in ((least - 1, least + 4), (least + 4, least - 1)):
        assert metric.refuses_shape((1, height, width)) is not None
        if least > 1:
            smaller = images(2, 1, height, width)
            with pytest.raises(ValueError, match="pixels"):
                per_image(metric, smaller, smaller)
