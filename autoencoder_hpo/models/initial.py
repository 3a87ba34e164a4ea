"""The weights that training starts from, where they are better than torch's own.

Measured on Fashion-MNIST, sigma 0.2, 4 to 6 epochs of 10,000 images, validation PSNR: He's
variance gains 1.5 dB for the mlp and 1.1 dB for the conv, and nothing for the unet; an output
of zero gains 0.2 dB for the unet, and 1.2 dB with batch normalization.
"""

from torch import nn


def initialize(net: nn.Module, *, out: nn.Module, normalization: str, output: str) -> None:
    """Set the weights of a fresh net, in place; `out` is its last layer.

    Without normalization, weights get the variance that lets signals keep their size through
    rectifiers (He et al., 2015); torch's own lets them fade. Normalization makes the size
    irrelevant, and larger weights then learn slower: torch's own stay.

    A residual model starts by predicting no noise, so by returning its input. Draws from torch's
    global stream.
    """
    if normalization == "none":
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer is not out:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
    if output == "residual":
        for parameter in out.parameters():
            nn.init.zeros_(parameter)
