"""From a model's config to a module that maps noisy images to restored ones."""

from typing import assert_never

import torch
from torch import Tensor, nn

from autoencoder_hpo.config import ConvConfig, MlpConfig, ModelConfig, UnetConfig
from autoencoder_hpo.models.conv import ConvAutoencoder, Unet
from autoencoder_hpo.models.initial import initialize
from autoencoder_hpo.models.mlp import Mlp

Shape = tuple[int, int, int]  # channels, height, width


class Denoiser(nn.Module):
    """A network with its input's standardization and its output's meaning.

    `output` is sigmoid (pixels in (0, 1)), linear (pixels), or residual (the net predicts the
    noise, which is subtracted).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, *, output: str, mean: float, std: float) -> None:
        super().__init__()
        self.net = net
        self.output = output
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, noisy_NCHW: Tensor) -> Tensor:
        answer: Tensor = self.net((noisy_NCHW - self.mean) / self.std)
        match self.output:
            case "sigmoid":
                return answer.to(noisy_NCHW.dtype).sigmoid()
            case "residual":
                return noisy_NCHW - answer
            case _:
                return answer


def build_model(
    config: ModelConfig, shape: Shape, *, mean: float = 0.0, std: float = 1.0
) -> Denoiser:
    """Build the model for images of this shape, with fresh weights from torch's global stream.

    `mean` and `std` standardize its input. Raises ValueError as `check_model` does.
    """
    check_model(config, shape)
    style = {
        "activation": config.activation,
        "normalization": config.normalization,
        "dropout": config.dropout,
    }
    net: Mlp | ConvAutoencoder | Unet
    match config:
        case MlpConfig():
            net = Mlp(
                shape,
                depth=config.depth,
                width=config.width,
                taper=config.taper,
                latent=config.latent,
                **style,  # type: ignore[arg-type]
            )
        case ConvConfig():
            net = ConvAutoencoder(
                shape[0],
                depth=config.depth,
                channels=config.channels,
                growth=config.growth,
                kernel=config.kernel,
                latent=config.latent,
                **style,  # type: ignore[arg-type]
            )
        case UnetConfig():
            net = Unet(
                shape[0],
                depth=config.depth,
                channels=config.channels,
                growth=config.growth,
                **style,  # type: ignore[arg-type]
            )
        case _ as never:
            assert_never(never)
    initialize(net, out=net.out, normalization=config.normalization, output=config.output)
    return Denoiser(net, output=config.output, mean=mean, std=std)


def check_model(config: ModelConfig, shape: Shape) -> None:
    """Whether the model can take images of this shape; arithmetic only.

    Raises:
        ValueError: it cannot; says why and what would do.
    """
    _, height, width = shape
    if isinstance(config, MlpConfig):
        return
    side = min(height, width)
    if side == 1:
        what = "feature vectors" if height == 1 else f"images of {height}×{width}"
        raise ValueError(f"{config.kind} cannot take {what}; use kind: mlp")
    if 2**config.depth > side:
        most = side.bit_length() - 1
        raise ValueError(
            f"{config.kind} with depth {config.depth} halves images of {height}×{width} to "
            f"nothing; depth may be {most} at most"
        )


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
