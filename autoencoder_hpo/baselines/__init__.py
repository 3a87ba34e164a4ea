"""Classical denoisers that a trained model has to beat, on the same images.

The affine filter is computed from the training images; the strength of every other one is chosen
on validation images, with the noise of the task. None is trained.
"""

from autoencoder_hpo.baselines.fit import AFFINE, NOISY, Baseline, fit_affine, fit_baselines
from autoencoder_hpo.baselines.pca import pca_record
from autoencoder_hpo.baselines.study import affine_record

__all__ = [
    "AFFINE",
    "NOISY",
    "Baseline",
    "affine_record",
    "fit_affine",
    "fit_baselines",
    "pca_record",
]
