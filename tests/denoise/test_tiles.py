import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoder_hpo.denoise.tiles import Cut, cut, inside


@st.composite
def cuts(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """length, side, overlap, blind and multiple."""
    multiple = draw(st.sampled_from([1, 2, 4, 8]))
    side = multiple * draw(st.integers(1, 16))
    overlap = multiple * draw(st.integers(0, side // multiple - 1))
    blind = draw(st.integers(0, overlap // 2))
    return draw(st.integers(1, 300)), side, overlap, blind, multiple


def whole(found: Cut) -> np.ndarray:
    total = np.zeros(found.length)
    for start, weight in zip(found.starts, found.weights, strict=True):
        total[start : start + found.side] += weight
    return total


@settings(deadline=None, max_examples=100)
@given(cuts())
def test_tiles_cover_an_axis_and_their_weights_add_up_to_one(given: tuple[int, ...]) -> None:
    length, side, overlap, blind, multiple = given
    found = cut(length, side=side, overlap=overlap, blind=blind, multiple=multiple)
    assert found.starts[0] == 0
    assert found.length == found.starts[-1] + side
    assert max(length, side) <= found.length < max(length, side) + multiple
    assert all(start % multiple == 0 for start in found.starts)
    assert list(found.starts) == sorted(set(found.starts))
    np.testing.assert_allclose(whole(found), 1, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(cuts())
def test_what_a_tile_sees_badly_counts_nothing(given: tuple[int, ...]) -> None:
    length, side, overlap, blind, multiple = given
    found = cut(length, side=side, overlap=overlap, blind=blind, multiple=multiple)
    for weight in found.weights[1:]:
        assert not weight[:blind].any()
    for weight in found.weights[:-1]:
        assert not weight[side - blind :].any()


def test_a_tile_fades_in_and_out_without_a_jump() -> None:
    for weight in cut(200, side=28, overlap=21).weights[1:-1]:
        assert weight[0] < 0.01 > weight[-1]
        assert np.abs(np.diff(weight)).max() < 0.1


@pytest.mark.parametrize(
    ("side", "overlap", "blind", "multiple"),
    [(8, 8, 0, 1), (8, 4, 3, 1), (10, 4, 0, 4), (8, 2, 0, 4)],
)
def test_tiles_that_leave_gaps_are_refused(
    side: int, overlap: int, blind: int, multiple: int
) -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        cut(100, side=side, overlap=overlap, blind=blind, multiple=multiple)


def test_beyond_the_end_stands_the_last_pixel_or_the_mirror_image() -> None:
    assert inside(2, 5, 4, mirrored=False).tolist() == [2, 3, 3, 3, 3]
    assert inside(2, 5, 4, mirrored=True).tolist() == [2, 3, 3, 2, 1]
    assert inside(0, 7, 2, mirrored=True).tolist() == [0, 1, 1, 0, 0, 1, 1]
    assert inside(0, 3, 1, mirrored=True).tolist() == [0, 0, 0]
