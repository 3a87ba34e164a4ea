import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from autoencoder_hpo.errors import DataError


def test_digits_keep_their_seventeen_levels(read):
    source = read("digits")
    assert source.clean.shape == (1797, 1, 8, 8)
    assert source.clean.dtype == torch.uint8
    assert source.full_scale == 16
    assert np.array_equal(source.clean[:, 0].numpy(), load_digits().images)
    assert source.group.tolist() == list(range(1797))
    assert source.noisy is None
    assert source.official_test is None


def test_relative_paths_start_from_the_base(read, tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((4, 3, 3), np.uint8))
    assert read("array", path="images.npy").clean.shape == (4, 1, 3, 3)
    assert read("array", path=str(tmp_path / "images.npy")).clean.shape == (4, 1, 3, 3)


def test_a_tilde_is_the_home_folder(read, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match=r"home/images.npy: no such file"):
        read("array", path="~/images.npy")


def test_importing_the_readers_is_light():
    program = (
        "import sys, autoencoder_hpo.data.splits\n"
        "print([m for m in ('sklearn', 'torchvision', 'PIL', 'skimage', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
