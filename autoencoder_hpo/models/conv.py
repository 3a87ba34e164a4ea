"""Convolutional models: a plain autoencoder, and a U-Net with skip connections."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoencoder_hpo.config import Activation, Normalization
from autoencoder_hpo.models.layers import Dropout, activate, normalize_channels


def levels(channels: int, growth: float, number: int) -> list[int]:
    """Channels of each level, the finest first."""
    return [max(1, round(channels * growth**level)) for level in range(number)]


def block(
    before: int,
    after: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    activation: Activation,
    normalization: Normalization,
    dropout: float,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            before,
            after,
            kernel,
            stride=stride,
            padding=kernel // 2,
            bias=normalization != "batch",
        ),
        *normalize_channels(normalization, after),
        activate(activation),
        Dropout(dropout),
    )


class ConvAutoencoder(nn.Module):
    """Strided convolutions down to `latent` channels, transposed ones back; no skips."""

    def __init__(
        self,
        image_channels: int,
        *,
        depth: int,
        channels: int,
        growth: float,
        kernel: int,
        latent: int,
        activation: Activation,
        normalization: Normalization,
        dropout: float,
    ) -> None:
        super().__init__()
        style = {"activation": activation, "normalization": normalization, "dropout": dropout}
        sizes = levels(channels, growth, depth)
        encoder = [
            block(before, after, kernel=kernel, stride=2, **style)  # type: ignore[arg-type]
            for before, after in zip([image_channels, *sizes], sizes, strict=False)
        ]
        decoder: list[nn.Module] = []
        for before, after in zip(sizes[::-1], [*sizes[-2::-1], sizes[0]], strict=True):
            decoder += [
                nn.ConvTranspose2d(before, after, 2, stride=2),
                block(after, after, kernel=kernel, **style),  # type: ignore[arg-type]
            ]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(sizes[-1], latent, 1))
        self.decoder = nn.Sequential(
            block(latent, sizes[-1], kernel=1, **style),  # type: ignore[arg-type]
            *decoder,
        )
        self.out = nn.Conv2d(sizes[0], image_channels, 3, padding=1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        restored: Tensor = self.out(self.decoder(self.encoder(x_NCHW)))
        return restored


class Unet(nn.Module):
    """Two convolutions a level, halved `depth` times, with skips (Ronneberger et al., 2015)."""

    def __init__(
        self,
        image_channels: int,
        *,
        depth: int,
        channels: int,
        growth: float,
        activation: Activation,
        normalization: Normalization,
        dropout: float,
    ) -> None:
        super().__init__()
        style = {"activation": activation, "normalization": normalization, "dropout": dropout}
        sizes = levels(channels, growth, depth + 1)

        def pair(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(
                block(before, after, **style),  # type: ignore[arg-type]
                block(after, after, **style),  # type: ignore[arg-type]
            )

        befores = [image_channels, *sizes[:-1]]
        self.down = nn.ModuleList(pair(b, a) for b, a in zip(befores, sizes, strict=True))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(sizes[level + 1], sizes[level], 2, stride=2)
            for level in reversed(range(depth))
        )
        self.join = nn.ModuleList(
            pair(2 * sizes[level], sizes[level]) for level in reversed(range(depth))
        )
        self.out = nn.Conv2d(sizes[0], image_channels, 1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        x = x_NCHW
        skips: list[Tensor] = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), skips.pop()], dim=1))
        restored: Tensor = self.out(x)
        return restored
