"""Finished denoisers that were never trained."""

from pathlib import Path
from typing import Any

import torch

from autoencoder_hpo.bundle.config import BundleConfig, config_text
from autoencoder_hpo.bundle.denoiser import LoadedDenoiser
from autoencoder_hpo.bundle.folder import write_folder
from autoencoder_hpo.bundle.manifest import (
    CARD,
    CONFIG,
    MANIFEST,
    ONNX,
    SCORES,
    WEIGHTS,
    manifest_text,
)
from autoencoder_hpo.bundle.weights import pack_weights
from autoencoder_hpo.models import build_model

SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"width": 32, "latent": 8},
    "conv": {"channels": 4, "latent": 4},
    "unet": {"channels": 4},
}


def fresh(
    kind: str = "unet",
    *,
    shape: tuple[int, int, int] = (1, 32, 32),
    sigma: float = 0.1,
    clip: bool = True,
    scale: str = "dtype",
    low: float = 0.0,
    high: float = 255.0,
    **model: Any,
) -> LoadedDenoiser:
    """A model of this kind, with random weights in every layer."""
    config = BundleConfig.model_validate(
        {
            "study": "photos",
            "trial": 0,
            "task": {
                "data": {"dataset": "folder", "path": "photos", "scale": scale},
                "corruption": {"kind": "gaussian", "sigma": sigma, "clip": clip},
                "epochs": 1,
            },
            "config": {"model": {"kind": kind, **SMALL[kind], **model}},
            "shape": shape,
            "mean": 0.0,
            "std": 1.0,
            "low": low,
            "high": high,
            "versions": {},
        }
    )
    torch.manual_seed(3)
    built = build_model(config.config.model, shape).eval()
    with torch.no_grad():  # a fresh net with a residual output gives back what it is given
        for weight in (parameter for parameter in built.parameters() if parameter.ndim > 1):
            weight.normal_(std=(1.5 / weight[0].numel()) ** 0.5)
        built.net.out.weight.mul_(0.3)
    return LoadedDenoiser(config, built, torch.device("cpu"))


def written(denoiser: LoadedDenoiser, folder: Path) -> Path:
    """As a bundle whose ONNX file nobody opens: making a real one takes long."""
    contents = {
        WEIGHTS: pack_weights(denoiser.model),
        CONFIG: config_text(denoiser.config).encode(),
        **dict.fromkeys((ONNX, CARD, SCORES), b"{}"),
    }
    manifest = manifest_text(contents).encode()
    write_folder(folder, {**contents, MANIFEST: manifest}, replaces=None)
    return folder
