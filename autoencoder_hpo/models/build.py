"""From a model's config to a module that maps noisy images to restored ones."""

from typing import assert_never

import torch
from torch import Tensor, nn

from autoencoder_hpo.config import (
    ConvConfig,
    ImageShape,
    MlpConfig,
    ModelConfig,
    Output,
    UnetConfig,
)
from autoencoder_hpo.models.conv import ConvAutoencoder, Unet
from autoencoder_hpo.models.initial import initialize
from autoencoder_hpo.models.layers import Style, pad_to_multiple
from autoencoder_hpo.models.mlp import Mlp


class Denoiser(nn.Module):
    """A network with its input's standardization and padding, and its output's meaning.

    `output` is sigmoid (pixels in (0, 1)), linear (pixels), or residual (the net predicts the
    noise, which is subtracted). The network sees sides that are multiples of `multiple`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, net: nn.Module, *, output: Output, mean: float, std: float, multiple: int
    ) -> None:
        super().__init__()
        self.net = net
        self.output: Output = output
        self.multiple = multiple
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, noisy_NCHW: Tensor) -> Tensor:
        height, width = noisy_NCHW.shape[-2:]
        standardized = (noisy_NCHW - self.mean) / self.std
        answer: Tensor = self.net(pad_to_multiple(standardized, self.multiple))
        answer = answer[..., :height, :width]
        match self.output:
            case "sigmoid":
                return answer.to(noisy_NCHW.dtype).sigmoid()
            case "residual":
                return noisy_NCHW - answer
            case "linear":
                return answer
            case _ as never:
                assert_never(never)


def build_model(
    config: ModelConfig, shape: ImageShape, *, mean: float = 0.0, std: float = 1.0
) -> Denoiser:
    """Build the model for images of this shape, with fresh weights from torch's global stream.

    `mean` and `std` standardize its input. Raises ValueError as the config's `check` does.
    """
    config.check(shape)
    net = _net(config, shape)
    out = net.get_submodule("out")
    initialize(net, out=out, normalization=config.normalization, output=config.output)
    return Denoiser(net, output=config.output, mean=mean, std=std, multiple=config.multiple)


def _net(config: ModelConfig, shape: ImageShape) -> nn.Module:
    """Takes and gives [N, C, H, W], of sides that are multiples; its last layer is named `out`."""
    style: Style = {
        "activation": config.activation,
        "normalization": config.normalization,
        "dropout": config.dropout,
    }
    match config:
        case MlpConfig():
            return Mlp(
                shape,
                depth=config.depth,
                width=config.width,
                taper=config.taper,
                latent=config.latent,
                **style,
            )
        case ConvConfig():
            return ConvAutoencoder(
                shape[0],
                depth=config.depth,
                channels=config.channels,
                growth=config.growth,
                kernel=config.kernel,
                latent=config.latent,
                **style,
            )
        case UnetConfig():
            return Unet(
                shape[0],
                depth=config.depth,
                channels=config.channels,
                growth=config.growth,
                **style,
            )
        case _ as never:
            assert_never(never)


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
