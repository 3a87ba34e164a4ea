"""A bundle, written and read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoencoder_hpo.bundle.config import BundleConfig, config_text, parse_config
from autoencoder_hpo.bundle.denoiser import LoadedDenoiser
from autoencoder_hpo.bundle.folder import check_free, write_folder
from autoencoder_hpo.bundle.manifest import (
    CARD,
    CONFIG,
    MANIFEST,
    ONNX,
    PICTURES,
    SCORES,
    WEIGHTS,
    belongs,
    manifest_text,
    read_files,
)
from autoencoder_hpo.bundle.onnx import check_graph, export_graph
from autoencoder_hpo.bundle.weights import pack_weights, unpack_model
from autoencoder_hpo.models import Denoiser
from autoencoder_hpo.training.devices import choose_device


def write_bundle(
    folder: Path,
    *,
    model: Denoiser,
    config: BundleConfig,
    scores: Mapping[str, Any],
    card: str,
    pictures: Mapping[str, bytes],
    examples_NCHW: Tensor,
    overwrite: bool = False,
) -> None:
    """Write a bundle, whole or not at all.

    Args:
        model: on any device, in any mode; it stays as it is.
        scores: what JSON can say.
        card: Markdown.
        pictures: PNG files by name, such as `restored.png`.
        examples_NCHW: noisy images in [0, 1] on which model.onnx must do what the model does.
        overwrite: replace a bundle that is there; anything else never is.

    Raises:
        BundleError: something is there already, the model is not the config's or not finite, or
            model.onnx restores other images than the model does.
        DiskError: the disk is full or cannot be written.
        DataError: the examples are not finite.
        ValueError: there are none, a picture's name is not one, or scores hold what JSON cannot.
    """
    check_free(folder, replaces=MANIFEST if overwrite else None)
    shown = {_picture(name): content for name, content in pictures.items()}
    weights = pack_weights(model)
    restored = unpack_model(weights, config, folder / WEIGHTS)
    graph = export_graph(restored, config)
    check_graph(graph, restored, config, examples_NCHW, where=folder / ONNX)
    contents = {
        WEIGHTS: weights,
        CONFIG: config_text(config).encode(),
        ONNX: graph,
        CARD: card.encode(),
        SCORES: (json.dumps(scores, indent=2, allow_nan=False) + "\n").encode(),
        **shown,
    }
    manifest = manifest_text(contents).encode()
    write_folder(folder, {**contents, MANIFEST: manifest}, replaces=MANIFEST if overwrite else None)


def load_denoiser(path: str | Path, *, device: str | torch.device = "cpu") -> LoadedDenoiser:
    """A bundle's denoiser, on this device; every file of it is compared with its checksum.

    Nothing in a bundle is unpickled or executed.

    Raises:
        BundleError: the bundle is missing, incomplete, damaged or of a newer format; says where.
        DeviceError: no such device on this machine.
    """
    folder, target = Path(path), choose_device(str(device))
    files = read_files(folder, keep=frozenset((CONFIG, WEIGHTS)))
    config = parse_config(files[CONFIG], folder / CONFIG)
    model = unpack_model(files[WEIGHTS], config, folder / WEIGHTS).to(target)
    if target.type == "cpu":  # as in training, where convolutions are faster so
        model = model.to(memory_format=torch.channels_last)
    return LoadedDenoiser(config, model, target)


def _picture(name: str) -> str:
    if not belongs(f"{PICTURES}/{name}"):
        raise ValueError(f"{name!r} is no name for a picture: letters, digits, . _ -, and .png")
    return f"{PICTURES}/{name}"
