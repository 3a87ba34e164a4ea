"""Which device to train on."""

import torch

from autoencoder_hpo.errors import DeviceError


def choose_device(name: str | None) -> torch.device:
    """The device of this name, or the best one there is: cuda, mps, cpu.

    Raises:
        DeviceError: no such device on this machine.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"--device {name}: no such kind; use cuda, cuda:N, mps or cpu") from None
    match device.type:
        case "cpu":
            return torch.device("cpu")  # there is but one, whatever its number
        case "cuda":
            return _cuda(device, name)
        case "mps" if torch.backends.mps.is_available():
            return device
        case "mps":
            raise DeviceError("--device mps: no Apple GPU here; use --device cpu")
        case _:
            raise DeviceError(f"--device {name}: not supported; use cuda, cuda:N, mps or cpu")


def device_name(device: torch.device) -> str:
    """The GPU's model; "cpu" and the like for others."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _cuda(device: torch.device, name: str) -> torch.device:
    number = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number == 0:
        raise DeviceError(f"--device {name}: PyTorch finds no NVIDIA GPU here; use --device cpu")
    if device.index is not None and device.index >= number:
        raise DeviceError(f"--device {name}: there are {number} GPUs, cuda:0 to cuda:{number - 1}")
    return device
