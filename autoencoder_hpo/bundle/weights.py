"""A model's weights as safetensors, which hold numbers and nothing that could be executed."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from autoencoder_hpo.bundle.config import BundleConfig
from autoencoder_hpo.errors import BundleError
from autoencoder_hpo.models import Denoiser, build_model


def pack_weights(model: Denoiser) -> bytes:
    """Copies, laid out plainly: training keeps channels last, and stacked models share memory."""
    weights = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    return safetensors.save(weights)


def unpack_model(content: bytes, config: BundleConfig, where: Path) -> Denoiser:
    """The model that the config describes, on the CPU, with these weights, for use.

    Raises:
        BundleError: the file is no safetensors file, or its weights are not those of the model.
    """
    try:
        weights = safetensors.load(content)
    except (SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise BundleError(f"{where}: no safetensors file; write the bundle anew") from error
    model = _bare(config, where)
    _compare(weights, model.state_dict(), where)
    model.load_state_dict(weights, assign=True)
    if model.mean != torch.tensor(config.mean) or model.std != torch.tensor(config.std):
        raise BundleError(f"{where}: mean or std is not config.json's; write the bundle anew")
    return model.eval().requires_grad_(False)


def _bare(config: BundleConfig, where: Path) -> Denoiser:
    """Without memory for its weights: those of a false config might need more than there is."""
    try:
        with torch.device("meta"):
            return build_model(config.config.model, config.shape, mean=config.mean, std=config.std)
    except (ValueError, RuntimeError, TypeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise BundleError(f"{where}: config.json describes no possible model: {reason}") from error


def _compare(found: dict[str, Tensor], wanted: dict[str, Tensor], where: Path) -> None:
    for name in sorted(found.keys() ^ wanted.keys()):
        what = "is missing" if name in wanted else "is none of the model's"
        raise BundleError(f"{where}: weight {name} {what}; write the bundle anew")
    for name, tensor in sorted(found.items()):  # safetensors has no order
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            raise BundleError(
                f"{where}: weight {name} is {_kind(tensor)}, but the model that config.json "
                f"describes has {_kind(wanted[name])}; write the bundle anew"
            )
        if not tensor.isfinite().all():
            raise BundleError(f"{where}: weight {name} is not finite; train the model again")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
