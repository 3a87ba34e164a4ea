"""Which device, and which number format on it."""

import pytest
import torch

from autoencoder_hpo.errors import DeviceError
from autoencoder_hpo.training.devices import choose_device
from autoencoder_hpo.training.precision import autocast, choose_precision

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


def test_the_precision_is_used() -> None:
    device = torch.device("cpu")
    assert choose_precision(device) in ("float32", "bfloat16")
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(device, "float32"):
        assert layer(x).dtype == torch.float32
    with autocast(device, "bfloat16"):
        assert layer(x).dtype == torch.bfloat16
