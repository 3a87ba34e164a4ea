"""A fully connected autoencoder."""

import math
from itertools import pairwise

from torch import Tensor, nn

from autoencoder_hpo.config import Activation, Normalization
from autoencoder_hpo.models.layers import Dropout, activate, normalize_features


class Mlp(nn.Module):
    """`depth` layers down to `latent` units and the mirror image back.

    Takes and gives [N, C, H, W]. The first hidden layer has `width` units, each further one
    `taper` times those of the one before. The latent units are linear, as in the conv model: a
    rectifier would throw half of what they know away.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        depth: int,
        width: int,
        taper: float,
        latent: int,
        activation: Activation,
        normalization: Normalization,
        dropout: float,
    ) -> None:
        super().__init__()
        self.shape = shape
        pixels = math.prod(shape)
        hidden = [max(1, round(width * taper**level)) for level in range(depth)]

        def layers(sizes: list[int]) -> list[nn.Module]:
            return [
                layer
                for before, after in pairwise(sizes)
                for layer in (
                    nn.Linear(before, after, bias=normalization != "batch"),
                    *normalize_features(normalization, after),
                    activate(activation),
                    Dropout(dropout),
                )
            ]

        self.encoder = nn.Sequential(
            nn.Flatten(), *layers([pixels, *hidden]), nn.Linear(hidden[-1], latent)
        )
        self.decoder = nn.Sequential(*layers([latent, *reversed(hidden)]))
        self.out = nn.Linear(hidden[0], pixels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        restored_NP: Tensor = self.out(self.decoder(self.encoder(x_NCHW)))
        return restored_NP.view(-1, *self.shape)
