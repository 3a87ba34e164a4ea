"""Denoising autoencoders. `build_model` is the only way in."""

from autoencoder_hpo.models.build import Denoiser, build_model, count_parameters
from autoencoder_hpo.models.layers import Draws, seed_dropout

__all__ = ["Denoiser", "Draws", "build_model", "count_parameters", "seed_dropout"]
