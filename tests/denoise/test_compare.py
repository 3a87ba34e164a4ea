from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from autoencoder_hpo.denoise.compare import compare, find_partner, mean_scores
from autoencoder_hpo.denoise.value_range import ValueRange
from autoencoder_hpo.errors import DataError

SPAN = ValueRange(0, 255)


@pytest.mark.parametrize("height", [40, 262, 263, 700])
def test_scores_in_bands_are_those_of_the_whole_image(
    height: int, photo: Callable[..., Any], noisy: Callable[..., Any]
) -> None:
    clean, image = (make(height, 50, color=True) for make in (photo, noisy))
    channels_first = [values.transpose(2, 0, 1)[None] for values in (image, clean, clean)]
    scores = compare(
        channels_first[0], channels_first[1], SPAN, clean_NCHW=channels_first[2], clean_span=SPAN
    )
    assert scores.psnr == pytest.approx(peak_signal_noise_ratio(clean, image), abs=1e-4)
    assert scores.ssim == pytest.approx(
        structural_similarity(clean, image, channel_axis=-1), abs=1e-5
    )
    assert (scores.noisy_psnr, scores.noisy_ssim) == (100, pytest.approx(1))
    assert mean_scores([scores, scores]) == scores


def test_sixteen_bits_are_compared_with_eight(photo: Callable[..., Any]) -> None:
    eight = photo(20, 20)[None, None]
    deep = eight.astype(np.uint16) * 257
    scores = compare(eight, eight, SPAN, clean_NCHW=deep, clean_span=ValueRange(0, 65535))
    assert scores.psnr == pytest.approx(100, abs=1)


def test_images_too_small_for_structure_have_none() -> None:
    two = np.zeros((1, 1, 2, 9), np.uint8)
    assert compare(two, two, SPAN, clean_NCHW=two, clean_span=SPAN).ssim is None


def test_partners_are_found_by_path_then_by_stem(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "deep/b.tif", "deep/c.tif", "deep/c.bmp"):
        (tmp_path / name).touch()
    assert find_partner(tmp_path, "a.png") == tmp_path / "a.png"
    assert find_partner(tmp_path, "deep/b.jpg") == tmp_path / "deep" / "b.tif"
    assert find_partner(tmp_path, "deep/c.tif") == tmp_path / "deep" / "c.tif"
    for name, reason in (
        ("b.jpg", "no clean partner"),
        ("none/b.jpg", "no clean partner"),
        ("deep/c.png", "2 files could be the clean partner"),
    ):
        with pytest.raises(DataError, match=reason):
            find_partner(tmp_path, name)
