"""Denoisers as training leaves them, small and with weights that do something."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from contracts.model_kinds import KINDS, kind_config
from torch import Generator, Tensor

from autoencoder_hpo.bundle import BundleConfig, write_bundle
from autoencoder_hpo.bundle.manifest import MANIFEST, manifest_text
from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.models import Denoiser, build_model

MODELS: dict[str, dict[str, Any]] = {
    **{kind: kind_config(kind).model_dump() for kind in KINDS},  # those that are not named below
    "mlp": {"kind": "mlp", "depth": 1, "width": 12, "latent": 5, "normalization": "layer"},
    "conv": {"kind": "conv", "depth": 2, "channels": 4, "latent": 6, "dropout": 0.5},
    "unet": {"kind": "unet", "depth": 2, "channels": 4, "normalization": "batch"},
}
SHAPES = {
    **dict.fromkeys(KINDS, (1, 8, 8)),
    "mlp": (1, 6, 7),
    "conv": (3, 12, 10),
    "unet": (1, 8, 8),
}


@dataclass(frozen=True)
class Finished:
    """A model as training leaves it, and what its bundle says of it."""

    model: Denoiser
    config: BundleConfig
    noisy: Tensor

    def write(self, folder: Path, **changes: Any) -> Path:
        given: dict[str, Any] = {
            "model": self.model,
            "config": self.config,
            "scores": {"test": {"psnr": 24.5, "interval": [24.3, 24.7]}},
            "card": "# A denoiser\n",
            "pictures": {"restored.png": b"a picture"},
            "examples_NCHW": self.noisy,
        }
        write_bundle(folder, **{**given, **changes})
        return folder


def finished(
    model: dict[str, Any],
    shape: tuple[int, int, int],
    *,
    scale: str = "dtype",
    low: float = 0.0,
    high: float = 255.0,
) -> Finished:
    """A denoiser of weights that do something, batch statistics and standardization included."""
    task = Task.model_validate(
        {
            "data": {"dataset": "digits", "scale": scale},
            "corruption": {"kind": "gaussian", "sigma": 0.2},
            "epochs": 3,
        }
    )
    config = BundleConfig(
        study="digits",
        trial=7,
        task=task,
        config=TrialConfig.model_validate({"model": model, "standardize": True}),
        shape=shape,
        mean=0.3,
        std=0.27,
        low=low,
        high=high,
        versions={"torch": torch.__version__},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = build_model(config.config.model, shape, mean=config.mean, std=config.std)
        for parameter in built.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        for name, buffer in built.named_buffers():
            if "running" in name:
                buffer += 0.3 * torch.rand_like(buffer)
        noisy = torch.rand(4, *shape)
    as_trained = built.to(memory_format=torch.channels_last).train()
    return Finished(as_trained, config, noisy)


def restored_by(model: Denoiser, noisy_NCHW: Tensor) -> Tensor:
    """What a bundle of the model must give: a plain copy's images in evaluation mode, clamped."""
    training = model.training
    with torch.no_grad():
        images = model.eval()(noisy_NCHW).clamp(0, 1)
    model.train(training)
    return images


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(seed))


def seal(folder: Path) -> None:
    """A manifest for whatever is in the folder, as somebody who forges a bundle would make it."""
    (folder / MANIFEST).unlink(missing_ok=True)
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    contents = {name: path.read_bytes() for name, path in files.items()}
    (folder / MANIFEST).write_text(manifest_text(contents))
