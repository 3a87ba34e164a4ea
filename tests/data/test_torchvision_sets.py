import gc
import gzip
import pickle
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision import datasets
from torchvision.datasets import cifar

from autoencoder_hpo.config import TorchvisionData
from autoencoder_hpo.data.torchvision_sets import (
    CLOTHES,
    DEBIAN,
    read_torchvision,
)
from autoencoder_hpo.errors import DataError

needs_debian = pytest.mark.skipif(not DEBIAN.is_dir(), reason="apt install dataset-fashion-mnist")


def letters(count):
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def write_idx(path: Path, images, *, packed):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


def copy(root: Path, *, folder="", packed=False, train="train", test="t10k"):
    write_idx(root / folder / f"{train}-images-idx3-ubyte", letters(6), packed=packed)
    write_idx(root / folder / f"{test}-images-idx3-ubyte", letters(4), packed=packed)
    return root


def read(name, tmp_path, **options):
    return read_torchvision(name, **{"root": None, "datasets": tmp_path / "datasets", **options})


@needs_debian
def test_fashion_mnist_of_debian(tmp_path):
    source = read("fashion_mnist", tmp_path)
    assert source.clean.shape == (60000, 1, 28, 28)
    assert source.official_test.shape == (10000, 1, 28, 28)
    assert source.clean.dtype == torch.uint8
    assert source.full_scale == 255
    assert source.clean.float().mean() == pytest.approx(72.94, abs=0.01)  # as published


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", ["", "raw", "MNIST/raw"])
def test_idx_files_are_found_where_people_keep_them(tmp_path, folder, packed):
    source = read("mnist", tmp_path, root=copy(tmp_path, folder=folder, packed=packed))
    assert np.array_equal(source.clean[:, 0].numpy(), letters(6))
    assert np.array_equal(source.official_test[:, 0].numpy(), letters(4))
    assert source.group.tolist() == list(range(6))


def test_a_copy_is_never_written(tmp_path):
    root = copy(tmp_path / "mine", packed=True)
    before = sorted(tmp_path.rglob("*"))
    read("kmnist", tmp_path, root=root)
    assert sorted(tmp_path.rglob("*")) == before


def test_emnist_letters_stand_upright(tmp_path):
    root = copy(tmp_path, train="emnist-balanced-train", test="emnist-balanced-test")
    source = read("emnist", tmp_path, root=root)
    assert np.array_equal(source.clean[:, 0].numpy(), letters(6).transpose(0, 2, 1))


def test_every_name_is_known(tmp_path):
    for name in TorchvisionData.model_fields["dataset"].annotation.__args__:
        with pytest.raises(DataError, match=r"missing"):
            read(name, tmp_path, root=tmp_path)


def test_a_copy_that_lacks_a_file(tmp_path):
    root = copy(tmp_path)
    (root / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(
        DataError, match=r"t10k-images-idx3-ubyte \(or .*gz\) is missing.*correct data.root"
    ):
        read("mnist", tmp_path, root=root)


def test_a_root_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; correct data.root"):
        read("mnist", tmp_path, root=tmp_path / "nowhere")


@pytest.mark.parametrize(
    "damage", [lambda content: content[:200], lambda content: b"hello", lambda content: b""]
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_copy(tmp_path, damage, packed):
    root = copy(tmp_path, packed=packed)
    path = next(root.glob("train-images*"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"^[^\n]*train-images-idx3-ubyte[^\n]*; copy it again$"):
        read("mnist", tmp_path, root=root)


def test_cifar_channels_come_first(tmp_path, monkeypatch):
    """Made-up images in CIFAR's format: its checksums have to look away."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": [0, 1]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b"]}))
    monkeypatch.setattr(cifar, "check_integrity", lambda *_: True)
    source = read("cifar10", tmp_path, root=tmp_path)
    assert source.clean.shape == (10, 3, 32, 32)
    assert np.array_equal(source.official_test.numpy(), rows.reshape(2, 3, 32, 32))
    assert (source.classes, source.test_classes) == (("0", "1") * 5, ("0", "1"))


@pytest.mark.parametrize(
    ("name", "files"), [("cifar10", "cifar-10-batches-py"), ("svhn", "train_32x32.mat")]
)
def test_a_color_copy_that_is_not_there(tmp_path, name, files):
    with pytest.raises(DataError, match=f"{files}.* missing or damaged; correct data.root"):
        read(name, tmp_path, root=tmp_path)


# ---- classes -----------------------------------------------------------------------------


@needs_debian
def test_every_class_of_fashion_mnist_looks_like_itself(tmp_path):
    source = read("fashion_mnist", tmp_path)
    assert {name: source.classes.count(name) for name in CLOTHES} == dict.fromkeys(CLOTHES, 6000)
    classes = source.test_classes
    assert {name: classes.count(name) for name in CLOTHES} == dict.fromkeys(CLOTHES, 1000)
    images = source.official_test.flatten(1).float()
    labels = torch.tensor([CLOTHES.index(name) for name in classes])
    means = torch.stack([images[labels == label].mean(0) for label in range(10)])
    assert (torch.cdist(images, means).argmin(1) == labels).float().mean() > 0.6  # chance: 0.1


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", ["", "raw", "MNIST/raw"])
def test_classes_lie_beside_the_images(tmp_path, folder, packed):
    root = copy(tmp_path, folder=folder, packed=packed)
    assert read("mnist", tmp_path, root=root).test_classes is None
    content = struct.pack(">II", 0x801, 4) + bytes([7, 0, 3, 7])
    labels = root / folder / "t10k-labels-idx1-ubyte"
    if packed:
        labels.with_name(f"{labels.name}.gz").write_bytes(gzip.compress(content))
    else:
        labels.write_bytes(content)
    source = read("mnist", tmp_path, root=root)
    assert (source.test_classes, source.classes) == (("7", "0", "3", "7"), None)


def test_letters_in_the_place_of_clothes_are_called_by_their_numbers(tmp_path):
    root = copy(tmp_path)
    (root / "t10k-labels-idx1-ubyte").write_bytes(bytes(8) + bytes([9, 10, 25, 0]))
    source = read("fashion_mnist", tmp_path, root=root)
    assert source.test_classes == ("9", "10", "25", "0")


@pytest.mark.parametrize("damage", [b"", struct.pack(">II", 0x801, 3) + bytes(3)])
def test_images_are_worth_more_than_their_classes(tmp_path, damage):
    root = copy(tmp_path)
    (root / "t10k-labels-idx1-ubyte").write_bytes(damage)
    assert read("mnist", tmp_path, root=root).test_classes is None
    (root / "t10k-labels-idx1-ubyte").unlink()
    (root / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(12))[:-9])
    assert read("mnist", tmp_path, root=root).test_classes is None


def test_classes_of_a_download(tmp_path, mirror):
    source = read("kmnist", tmp_path)
    assert (source.classes, source.test_classes) == (("0",) * 6, ("0",) * 4)


# ---- downloads, from a mirror on this machine --------------------------------------------


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A small KMNIST behind HTTP; its `asked` are the files that were fetched."""
    folder = copy(tmp_path / "mirror", packed=True)
    for part, count in (("train", 6), ("t10k", 4)):
        labels = struct.pack(">II", 0x801, count) + bytes(count)
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            if self.command == "GET":
                asked.append(self.path)

    files = [(path.name, None) for path in sorted(folder.iterdir())]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(datasets.KMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(datasets.KMNIST, "resources", files)
        yield SimpleNamespace(folder=folder, asked=asked)
        server.shutdown()
        gc.collect()


left_open = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""Torchvision leaves its sockets to the collector, which comes when it likes."""


@left_open
def test_many_workers_download_once(tmp_path, mirror, monkeypatch):
    read("kmnist", tmp_path, datasets=tmp_path / "alone")
    asked_once = list(mirror.asked)  # torchvision asks twice for a file: where it is, and for it
    with ThreadPoolExecutor(4) as readers:
        found = list(readers.map(lambda _: read("kmnist", tmp_path), range(4)))
    assert mirror.asked == asked_once * 2
    for source in found:
        assert np.array_equal(source.clean[:, 0].numpy(), letters(6))
        assert np.array_equal(source.official_test[:, 0].numpy(), letters(4))


@left_open
def test_a_failed_download_says_what_to_do(tmp_path, mirror):
    missing = sorted(mirror.folder.iterdir())[1]
    missing.unlink()
    with pytest.raises(
        DataError,
        match=rf"^kmnist: download to [^\n]* failed \([^\n]*{missing.name}[^\n]*404[^\n]*\); "
        "check the network, or set data.root to a copy$",
    ):
        read("kmnist", tmp_path)


@left_open
def test_a_download_continues_where_it_failed(tmp_path, mirror):
    late = sorted(mirror.folder.iterdir())[1]
    late.rename(tmp_path / "late")
    with pytest.raises(DataError):
        read("kmnist", tmp_path)
    (tmp_path / "late").rename(late)
    assert len(read("kmnist", tmp_path).clean) == 6
