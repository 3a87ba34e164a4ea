import numpy as np
import pytest
import torch

from autoencoder_hpo.errors import DataError


@pytest.fixture
def array(tmp_path, read):
    """Save one array and read it back as a source."""

    def save_and_read(values, **data):
        np.save(tmp_path / "a.npy", values)
        return read("array", path="a.npy", **data)

    return save_and_read


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_grey_images_get_a_channel(array):
    values = pixels(6, 5, 7)
    source = array(values)
    assert np.array_equal(source.clean[:, 0].numpy(), values)
    assert not source.vectors


def test_vectors_become_one_row(array):
    source = array(np.random.default_rng(0).random((6, 11)))
    assert source.clean.shape == (6, 1, 1, 11)
    assert source.vectors


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_are_found_first_or_last(array, channels):
    first = pixels(6, channels, 9, 8)
    assert np.array_equal(array(first).clean.numpy(), first)
    assert np.array_equal(array(first.transpose(0, 2, 3, 1)).clean.numpy(), first)


@pytest.mark.parametrize("shape", [(5, 3, 8, 3), (5, 8, 9, 10)])
def test_unclear_channels_need_a_layout(array, shape):
    with pytest.raises(DataError, match=r"\[5,\d,\d,\d+\] does not tell .* set data.layout"):
        array(pixels(*shape))
    last = array(pixels(*shape), layout="channels_last")
    assert last.clean.shape == (5, shape[3], shape[1], shape[2])
    assert array(pixels(*shape), layout="channels_first").clean.shape == shape


@pytest.mark.parametrize(
    ("stored", "dtype", "full_scale"),
    [
        ("u1", torch.uint8, 255),
        ("?", torch.bool, 1),
        ("<u2", torch.int32, 65535),
        (">u2", torch.int32, 65535),
        ("i2", torch.int16, None),
        ("i8", torch.int64, None),
        ("u4", torch.float64, None),
        ("u8", torch.float64, None),
        ("f2", torch.float16, 1),
        (">f4", torch.float32, 1),
        ("f8", torch.float64, 1),
        ("g", torch.float64, 1),
    ],
)
def test_types_are_kept_or_made_computable(array, stored, dtype, full_scale):
    values = np.array([[0, 1], [1, 1], [1, 0]]).astype(stored)
    source = array(values)
    assert source.clean.dtype == dtype
    assert source.full_scale == full_scale
    assert np.array_equal(source.clean[:, 0, 0].numpy(), values.astype(float))


def test_large_sixteen_bit_values_survive(array):
    assert array(np.full((3, 2, 2), 65535, np.uint16)).clean.max() == 65535


def test_an_archive_of_one_array_needs_no_key(tmp_path, read):
    np.savez(tmp_path / "a.npz", images=pixels(4, 5, 5))
    assert read("array", path="a.npz").clean.shape == (4, 1, 5, 5)


def test_an_archive_of_several_needs_a_key(tmp_path, read):
    np.savez_compressed(tmp_path / "a.npz", x=pixels(4, 5, 5), y=pixels(4, 2))
    with pytest.raises(DataError, match=r"holds 2 arrays; set data.key to one of: x, y"):
        read("array", path="a.npz")
    with pytest.raises(DataError, match=r"no array 'z'; set data.key to one of: x, y"):
        read("array", path="a.npz", key="z")
    assert read("array", path="a.npz", key="x").clean.shape == (4, 1, 5, 5)


def test_a_key_for_a_single_array_is_a_mistake(array):
    with pytest.raises(DataError, match=r"remove data.key"):
        array(pixels(4, 5, 5), key="x")


@pytest.mark.parametrize("shape", [(), (7,), (2, 2, 2, 2, 2)])
def test_other_ranks_are_refused(array, shape):
    given = ",".join(map(str, shape))
    with pytest.raises(DataError, match=rf"has shape \[{given}\]; needed is \[N,H,W\]"):
        array(np.zeros(shape, np.uint8))


def test_emptiness_is_refused(array):
    with pytest.raises(DataError, match=r"has shape \[0,5,5\], which holds no values"):
        array(np.zeros((0, 5, 5), np.uint8))


@pytest.mark.parametrize(
    "values", [np.array([["a", "b"]]), np.ones((3, 3), complex), np.ones((3, 3), "M8[s]")]
)
def test_other_types_are_refused(array, values):
    with pytest.raises(DataError, match=r"holds values of type .*; save real numbers"):
        array(values)


def test_python_objects_are_never_unpickled(tmp_path, read):
    objects = np.array([[{}, {}]], dtype=object)
    np.save(tmp_path / "o.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "o.npz", objects)
    for path in ("o.npy", "o.npz"):
        with pytest.raises(DataError, match=r"holds Python objects"):
            read("array", path=path)


def test_a_missing_file_is_named(read):
    with pytest.raises(DataError, match=r"none.npy: no such file; correct data.path"):
        read("array", path="none.npy")


def test_a_folder_is_no_array(tmp_path, read):
    with pytest.raises(DataError, match=r"not a readable .npy or .npz file"):
        read("array", path=str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not really", b"\x93NUMPY\x01\x00"])
def test_damaged_files_are_refused(tmp_path, read, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"^[^\n]*a\.npy: not a [^\n]*$"):
        read("array", path="a.npy")


def test_a_truncated_array_is_refused(tmp_path, read):
    np.save(tmp_path / "a.npy", pixels(20, 9, 9))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:500])
    with pytest.raises(DataError, match=r"a.npy: not a"):
        read("array", path="a.npy")


def test_missing_values_are_counted_and_located(array):
    values = np.zeros((4, 3, 3), np.float32)
    values[2, 1, 0], values[3, 0, 0] = np.nan, np.inf
    with pytest.raises(
        DataError, match=r"2 values are NaN or infinite, the first at \[2, 1, 0\]; set data.missing"
    ):
        array(values)
    assert array(values, missing="zero").clean.isfinite().sum() == 34
