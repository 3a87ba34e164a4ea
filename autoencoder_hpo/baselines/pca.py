"""What a linear autoencoder of each size leaves of clean images: the yardstick of a bottleneck.

The best one is principal component analysis (Baldi & Hornik, 1989, "Neural networks and principal
component analysis"). It is computed from training images and measured on validation images, as
trials are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import PcaRecord

MOST_VALUES = 4096
"""Larger images (C·H·W) have no record: there are too few to learn their components from."""
MOST_COMPONENTS = 512
IMAGES = 2000
"""Of the training and of the validation images, the first ones."""
IMAGES_OF_MANY = 1000
"""Where an image has more values than this, so many: the smaller side decides the time."""


def pca_record(prepared: Sequence[DeviceData]) -> PcaRecord | None:
    """The MSE that the best components leave, for 1, 2, 4, … of them; of folds, the first.

    None for large images, and where there is a single training image.
    """
    train, val = prepared[0].train_clean, prepared[0].val_clean
    values = train[0].numel()
    if values > MOST_VALUES or len(train) < 2:
        return None
    some = IMAGES if values <= IMAGES_OF_MANY else IMAGES_OF_MANY
    train_ND, val_ND = (images[:some].flatten(1).cpu() for images in (train, val))
    most = min(MOST_COMPONENTS, values, len(train_ND) - 1)
    left = residuals(train_ND, val_ND, most)
    numbers = sorted({2**power for power in range(most.bit_length())} | {most})
    return PcaRecord({number: round(float(left[number - 1]), 8) for number in numbers})


def residuals(train_ND: Tensor, val_MD: Tensor, most: int) -> Tensor:
    """The MSE of the second images without all but the first 1, 2, … `most` components: [most]."""
    mean_D = train_ND.mean(0)
    components_DK = _components(train_ND - mean_D)[:, :most]
    centred_MD = val_MD - mean_D
    explained_K = (centred_MD @ components_DK).square().mean(0)
    left_K = centred_MD.square().sum(1).mean() - explained_K.cumsum(0)
    return left_K.clamp(min=0) / centred_MD.shape[1]


def _components(centred_ND: Tensor) -> Tensor:
    """Unit vectors as columns, those of the largest variance first."""
    images, values = centred_ND.shape
    if values <= images:
        return torch.linalg.eigh(centred_ND.T @ centred_ND).eigenvectors.flip(1)
    # The same from the smaller matrix, of images (Turk & Pentland, 1991).
    weights_NN = torch.linalg.eigh(centred_ND @ centred_ND.T).eigenvectors.flip(1)
    return torch.nn.functional.normalize(centred_ND.T @ weights_NN, dim=0)
