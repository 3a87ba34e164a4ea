"""The validation images that are looked at: the same crops for every trial of a study."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from autoencoder_hpo.training.metrics import mse_per_image
from autoencoder_hpo.training.prepared import DeviceData

EACH = 3  # typical images, and as many hard ones
CROP = 128  # pixels of a crop's side, at most


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """Images and their crops, on the CPU: typical ones first, then hard ones."""

    index: list[int]
    """Where they stand among the validation images."""
    noisy: Tensor
    """[P, C, h, w] in [0, 1]"""
    clean: Tensor

    def crops_of(self, images_NCHW: Tensor) -> Tensor:
        """The probes' crops of all validation images, or of their restorations."""
        return crop(images_NCHW[self.index].cpu())


def choose_probes(data: DeviceData) -> Probes:
    """Images around the median difficulty, and the hardest.

    Difficulty is the MSE that a blur of 3×3 pixels leaves: fine detail is what denoisers lose.
    It depends on the images alone, so that every trial on every machine shows the same ones.
    """
    index = _choose(_difficulty(data))
    noisy, clean = data.val_noisy[index].cpu(), data.val_clean[index].cpu()
    return Probes(index, crop(noisy), crop(clean))


def _difficulty(data: DeviceData) -> Tensor:
    """[N], on the CPU."""
    high, wide = (min(3, side) for side in data.val_noisy.shape[-2:])
    blurred = avg_pool2d(
        data.val_noisy,
        (high, wide),
        stride=1,
        padding=(high // 2, wide // 2),
        count_include_pad=False,
    )
    blurred = blurred[..., : data.val_noisy.shape[-2], : data.val_noisy.shape[-1]]
    return mse_per_image(blurred, data.val_clean).cpu()


def _choose(difficulty_N: Tensor) -> list[int]:
    order = torch.argsort(difficulty_N, stable=True).tolist()
    hard = order[-EACH:][::-1]
    rest = order[: len(order) - len(hard)]
    middle = max(0, len(rest) // 2 - EACH // 2)
    return rest[middle : middle + EACH] + hard


def crop(images_NCHW: Tensor) -> Tensor:
    """The middle, where an image is larger than a crop."""
    height, width = images_NCHW.shape[-2:]
    top, left = max(0, height - CROP) // 2, max(0, width - CROP) // 2
    return images_NCHW[..., top : top + CROP, left : left + CROP]
