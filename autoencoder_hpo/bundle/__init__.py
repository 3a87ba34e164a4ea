"""A finished denoiser as a folder that can be handed on.

config    what it was trained on and how: config.json
manifest  every file's size and checksum: manifest.json
folder    a folder that is there whole or not at all
weights   weights.safetensors
onnx      model.onnx, which needs neither torch nor this package
images    arrays and tensors of users, to [0, 1] and back
denoiser  the model, loaded and ready
store     writing and reading the whole
"""

from autoencoder_hpo.bundle.config import BundleConfig
from autoencoder_hpo.bundle.denoiser import LoadedDenoiser
from autoencoder_hpo.bundle.store import load_denoiser, write_bundle

__all__ = ["BundleConfig", "LoadedDenoiser", "load_denoiser", "write_bundle"]
