"""The best affine filter: the linear map and the offset with the least squared error.

Also known as LMMSE or Wiener filter: x̂ = E[x] + Cov(x, y) Cov(y, y)⁻¹ (y - E[y]), for a clean x
and a noisy y (Kay, 1993, "Fundamentals of Statistical Signal Processing", chapter 12). It needs
no training, only means and covariances, and those of the noise are known in closed form.

Shapes: D values of a noisy vector, T of a clean one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from autoencoder_hpo.baselines.expected import expected
from autoencoder_hpo.config import Corruption
from autoencoder_hpo.seeds import seed_for

WHOLE = 2000
"""Images of at most this many values (C·H·W) get a map of the whole image, larger ones a window."""
WINDOW = 11
"""Side of the window, in pixels; every output pixel sees all channels of it."""
PLACES = 100_000
"""Windows that are looked at, in all training images together."""
LEAST_RIDGE = 1e-9
"""So that a pixel that is the same in all images does not make the covariance singular."""
LEVELS = 2**16
"""Of a pixel, whose expected values are looked up: exact for images of 8 and 16 bits."""
CHUNK_VALUES = 2**22
"""Values that are turned into float64 at once: bounds the memory."""

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class WholeImageMap:
    """Every output pixel is a weighted sum of all input pixels, and an offset."""

    weight_TD: Tensor
    bias_T: Tensor

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        """Raises ValueError for images of another size than those it was fitted on."""
        flat = noisy_NCHW.flatten(1)
        if flat.shape[1] != self.weight_TD.shape[1]:
            raise ValueError(
                f"fitted on images of {self.weight_TD.shape[1]} values, given {flat.shape[1]}"
            )
        return (flat @ self.weight_TD.T + self.bias_T).view_as(noisy_NCHW)


@dataclass(frozen=True, slots=True, eq=False)
class WindowFilter:
    """The same weighted sum of the pixels around it for every pixel; images of any size."""

    kernel: Tensor
    """[C, C, rows, columns], odd sides."""
    bias_C: Tensor

    def __call__(self, noisy_NCHW: Tensor) -> Tensor:
        rows, columns = self.kernel.shape[-2:]
        images = (
            functional.conv2d(_padded(image[None], rows, columns), self.kernel, self.bias_C)
            for image in noisy_NCHW
        )
        return torch.cat(list(images))


AffineFilter = WholeImageMap | WindowFilter


@dataclass(slots=True)
class Moments:
    """Sums over clean vectors x and what becomes of them, in float64."""

    shape: Shape
    """(C, H, W) of the images."""
    window: tuple[int, int] | None
    """Sides of the window; None for whole images."""
    images: int
    count: int = 0
    y_D: Tensor | float = 0.0
    x_T: Tensor | float = 0.0
    yy_DD: Tensor | float = 0.0
    yx_DT: Tensor | float = 0.0

    def add(self, y_MD: Tensor, square_MD: Tensor, x_MT: Tensor) -> None:
        """Add M vectors: the means of their noisy copies, the mean squares, and themselves.

        Noise is independent between pixels, so that of E[y yᵀ] only the diagonal knows of it.
        """
        yy_DD = y_MD.T @ y_MD
        yy_DD.diagonal().copy_(square_MD.sum(0))
        self.count += len(y_MD)
        self.y_D += y_MD.sum(0)
        self.x_T += x_MT.sum(0)
        self.yy_DD += yy_DD
        self.yx_DT += y_MD.T @ x_MT

    def solve(self, ridge: float) -> AffineFilter:
        """The filter with the least expected squared error on these images.

        Args:
            ridge: added to the diagonal of the noisy covariance, as a share of its mean;
                keeps directions that few training images have from being amplified.
        """
        y_D, x_T = torch.as_tensor(self.y_D) / self.count, torch.as_tensor(self.x_T) / self.count
        covariance_DD = torch.as_tensor(self.yy_DD) / self.count - torch.outer(y_D, y_D)
        cross_DT = torch.as_tensor(self.yx_DT) / self.count - torch.outer(y_D, x_T)
        level = covariance_DD.diagonal().mean().clamp(min=1e-12)
        covariance_DD.diagonal().add_((ridge + LEAST_RIDGE) * level)
        weight_TD = torch.cholesky_solve(cross_DT, torch.linalg.cholesky(covariance_DD)).T
        bias_T = (x_T - weight_TD @ y_D).float()
        weight_TD = weight_TD.float().contiguous()
        if self.window is None:
            return WholeImageMap(weight_TD, bias_T)
        channels = self.shape[0]
        return WindowFilter(weight_TD.view(channels, channels, *self.window), bias_T)


def moments(
    clean_NCHW: Tensor, *, noisy_NCHW: Tensor | None, corruption: Corruption | None
) -> Moments:
    """Means and covariances of training images and of all noisy copies that they may have.

    Args:
        noisy_NCHW: the noisy partners, where the data brings them.
        corruption: what is expected of it takes their place otherwise: no noise is drawn.

    Raises:
        ValueError: both are None.
    """
    channels, height, width = clean_NCHW.shape[1:]
    whole = channels * height * width <= WHOLE
    window = None if whole else (_side(height), _side(width))
    found = Moments((channels, height, width), window, images=len(clean_NCHW))
    places = Generator().manual_seed(seed_for("baselines", "places"))
    each = max(1, PLACES // len(clean_NCHW))
    for noisy, square, clean in _chunks(clean_NCHW, noisy_NCHW, corruption):
        if window is None:
            found.add(noisy.flatten(1), square.flatten(1), clean.flatten(1))
            continue
        for windows in _windows((noisy, square, clean), window, each, places):
            found.add(*windows)
    return found


def _chunks(
    clean_NCHW: Tensor, noisy_NCHW: Tensor | None, corruption: Corruption | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """E[y], E[y²] and x, in float64, some images at a time."""
    size = max(1, CHUNK_VALUES // clean_NCHW[0].numel())
    if noisy_NCHW is not None:
        for noisy, clean in zip(noisy_NCHW.split(size), clean_NCHW.split(size), strict=True):
            yield noisy.double(), noisy.double().square(), clean.double()
    elif corruption is not None:
        mean, square = expected(torch.linspace(0, 1, LEVELS, dtype=torch.float64), corruption)
        for clean in clean_NCHW.split(size):
            level = (clean * (LEVELS - 1)).round().int()
            yield mean[level], square[level], clean.double()
    else:
        raise ValueError("neither noisy training images nor a corruption that makes them")


def _windows(
    images: tuple[Tensor, Tensor, Tensor], window: tuple[int, int], each: int, places: Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Windows of E[y] and E[y²], [M, C·rows·columns], and the clean pixels [M, C] in their middle.

    All inside the image: at its border a window shows some noise twice.
    """
    noisy, square, clean = images
    (rows, columns), (high, wide) = window, clean.shape[-2:]
    down, across = high - rows + 1, wide - columns + 1
    image = torch.arange(len(clean)).repeat_interleave(min(each, down * across))
    row = torch.randint(down, (len(image),), generator=places)
    column = torch.randint(across, (len(image),), generator=places)

    def cut(source: Tensor, some: Tensor) -> Tensor:
        views = source.unfold(2, rows, 1).unfold(3, columns, 1)
        return views[image[some], :, row[some], column[some]].flatten(1)

    at_once = max(1, CHUNK_VALUES // (clean.shape[1] * rows * columns))
    for some in torch.arange(len(image)).split(at_once):
        middle = clean[image[some], :, row[some] + rows // 2, column[some] + columns // 2]
        yield cut(noisy, some), cut(square, some), middle


def _padded(noisy_NCHW: Tensor, rows: int, columns: int) -> Tensor:
    high, wide = rows // 2, columns // 2
    return functional.pad(noisy_NCHW, (wide, wide, high, high), mode="reflect")


def _side(length: int) -> int:
    """Of the window: odd, and no longer than the image."""
    return min(WINDOW, length - 1 + length % 2)
