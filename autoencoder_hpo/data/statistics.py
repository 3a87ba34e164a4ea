"""What is worth knowing of a study's images before anything is trained on them.

Counted once, when the study is created, and kept in it: later nobody needs the images to say what
is wrong with them. Only training and validation images are looked at.
"""

import torch
from torch import Tensor

from autoencoder_hpo.data.image_statistics import Folders, ImageStatistics
from autoencoder_hpo.data.splits import SearchData

LOOKED_AT = 10_000
"""Images whose pixels are counted, the first ones of those that were shuffled for the split."""
CHUNK = 2_000
FLAT = 1 / 512
"""Half a step of 8 bits: a smaller difference between pixels is none."""
WHITE = 0.5
"""Share of an image's pixels at 1: more of them have lost what was there."""
MEAN_Z, CONTRAST_Z = 6.0, 10.0
"""How far out an image is, in robust standard deviations; the contrast of natural patches has a
long tail, their mean has none."""
LEAST_SPREAD = 0.01
"""Of means and contrasts: where all images are alike, none is far out by less."""


def image_statistics(images: SearchData) -> ImageStatistics:
    """Of the training and the validation images."""
    train, validation = images.train.clean, images.validation.clean
    clean = torch.cat([train[:LOOKED_AT], validation[: LOOKED_AT - len(train[:LOOKED_AT])]])
    figures = [_figures(chunk) for chunk in clean.split(CHUNK)]
    mean_N, contrast_N, flat_N, black_N, white_N = map(torch.cat, zip(*figures, strict=True))
    far_N = _far_out(mean_N, MEAN_Z) | _far_out(contrast_N, CONTRAST_Z)
    return ImageStatistics(
        looked_at=len(clean),
        copies=_copies(train, validation),
        constant=int(flat_N.sum()),
        white=int((white_N > WHITE).sum()),
        typically_white=round(float(white_N.median()), 4),
        outliers=int((far_N & ~flat_N).sum()),
        at_0=round(float(black_N.mean()), 4),
        at_1=round(float(white_N.mean()), 4),
        folders=_folders(images.classes),
    )


def _folders(classes: dict[str, int] | None) -> Folders | None:
    if not classes or len(classes) < 2:
        return None
    fewest, most = min(classes, key=classes.__getitem__), max(classes, key=classes.__getitem__)
    return Folders(len(classes), (fewest, classes[fewest]), (most, classes[most]))


def _figures(images_NCHW: Tensor) -> tuple[Tensor, ...]:
    """For each image: mean, contrast, whether it is flat, its shares of pixels at 0 and at 1."""
    pixels_ND = images_NCHW.flatten(1)
    spread_N, mean_N = torch.std_mean(pixels_ND, dim=1, correction=0)
    flat_N = pixels_ND.amax(1) - pixels_ND.amin(1) < FLAT
    black_N = torch.count_nonzero(pixels_ND <= 0, dim=1) / pixels_ND.shape[1]
    white_N = torch.count_nonzero(pixels_ND >= 1, dim=1) / pixels_ND.shape[1]
    return mean_N, spread_N, flat_N, black_N, white_N


def _far_out(values_N: Tensor, z: float) -> Tensor:
    """Which are so many robust standard deviations from the median (Iglewicz & Hoaglin, 1993)."""
    away_N = (values_N - values_N.median()).abs()
    return away_N > z * max(1.4826 * float(away_N.median()), LEAST_SPREAD)


def _copies(train: Tensor, validation: Tensor) -> int:
    """Validation images with an exact copy among the training images; empty ones do not count."""
    known = {hash(row.tobytes()) for row in train.flatten(1).numpy()}
    return sum(
        hash(row.tobytes()) in known and float(row.max() - row.min()) >= FLAT
        for row in validation.flatten(1).numpy()
    )
