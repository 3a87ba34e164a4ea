"""Which device to train on."""

import pytest
import torch

from autoencoder_hpo.errors import DeviceError
from autoencoder_hpo.training.devices import choose_device

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device(None).type in ("cuda", "mps", "cpu")


@without_gpu
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_without_a_gpu_is_one_line(name: str) -> None:
    with pytest.raises(DeviceError, match=f"--device {name}: .*no NVIDIA GPU.*--device cpu"):
        choose_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "xla", "meta"])
def test_nonsense_is_one_line(name: str) -> None:
    with pytest.raises(DeviceError, match="use cuda, cuda:N, mps or cpu"):
        choose_device(name)


def test_there_is_one_cpu() -> None:
    assert choose_device("cpu:3") == torch.device("cpu")


def test_a_gpu_out_of_range_names_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(DeviceError, match="there are 2 GPUs, cuda:0 to cuda:1"):
        choose_device("cuda:5")
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device(None) == torch.device("cuda")
