"""A fully connected autoencoder."""

import math
from itertools import pairwise

from torch import Tensor, nn

from autoencoder_hpo.models.layers import activate, drop, normalize_features


class Mlp(nn.Module):
    """`depth` layers down to `latent` units and the mirror image back.

    Takes and gives [N, C, H, W]. The first hidden layer has `width` units, each further one
    `taper` times those of the one before.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        depth: int,
        width: int,
        taper: float,
        latent: int,
        activation: str,
        normalization: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.shape = shape
        pixels = math.prod(shape)
        hidden = [max(1, round(width * taper**level)) for level in range(depth)]
        sizes = [*hidden, latent, *reversed(hidden)]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise([pixels, *sizes]):
            layers += [
                nn.Linear(before, after, bias=normalization != "batch"),
                *normalize_features(normalization, after),
                activate(activation),
                *drop(dropout),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], pixels))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return self.layers(x_NCHW).unflatten(1, self.shape)
