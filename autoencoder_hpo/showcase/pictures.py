"""What people look at: a trial's restored images and learning curves, a study's gallery."""

import io
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from autoencoder_hpo.showcase.preview_images import Probes
from autoencoder_hpo.training.results import EpochResult, Level

TILE = 112  # pixels of a tile's side, at least
GAP = 6
TITLE = 22
MARGIN = 150  # of a gallery, for what stands beside a row
FULL_ERROR = 0.5  # the absolute error, of pixels in [0, 1], that is drawn brightest

Row = tuple[str, str, Tensor]
"""A gallery's row: a title, a line below it, and [P, C, h, w] crops."""


def restoration(probes: Probes, restored_PCHW: Tensor, captions: dict[str, str]) -> Image.Image:
    """noisy | restored | clean | error for each probe: typical ones left, hard ones right."""
    error = (restored_PCHW - probes.clean).abs().mean(1, keepdim=True) / FULL_ERROR
    return panel(
        {
            "noisy": pixels(probes.noisy),
            "restored": pixels(restored_PCHW),
            "clean": pixels(probes.clean),
            "error": [_heat(image[..., 0]) for image in pixels(error)],
        },
        captions={**captions, "error": f"0 to {FULL_ERROR}"},
        blocks=("typical images", "the hardest images"),
    )


def panel(
    columns: dict[str, list[NDArray[np.uint8]]],
    *,
    captions: dict[str, str] | None = None,
    blocks: Sequence[str] = ("", ""),
) -> Image.Image:
    """Images side by side: a column for each title, repeated in each block.

    Args:
        columns: title to [H, W, C] images, all of one size; the first ones stand in the first
            block, below each other.
        captions: title to a second line under it, such as a score.
        blocks: what stands above each.
    """
    tiles = {title: [_tile(image) for image in images] for title, images in columns.items()}
    first = next(iter(tiles.values()))
    rows = -(-len(first) // len(blocks))
    wide, high = first[0].width + GAP, first[0].height + GAP
    used = -(-len(first) // rows)
    block = len(columns) * wide + 2 * GAP
    sheet = Image.new("RGB", (used * block, 3 * TITLE + GAP + rows * high), "white")
    draw = ImageDraw.Draw(sheet)
    for number in range(used):
        _say(draw, GAP + number * block, 4, blocks[number], "")
    for column, (title, images) in enumerate(tiles.items()):
        for place, image in enumerate(images):
            left = GAP + place // rows * block + column * wide
            if place % rows == 0:
                _say(draw, left, 4 + TITLE, title, (captions or {}).get(title, ""))
            sheet.paste(image, (left, 3 * TITLE + GAP + place % rows * high))
    return sheet


def gallery(rows: Sequence[Row]) -> Image.Image:
    """The same crops in every row, with the row's title beside them."""
    tiles = [[_tile(image) for image in pixels(crops)] for _, _, crops in rows]
    wide, high = tiles[0][0].width + GAP, tiles[0][0].height + GAP
    sheet = Image.new("RGB", (MARGIN + len(tiles[0]) * wide, GAP + len(rows) * high), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (title, caption, _) in enumerate(rows):
        top = GAP + row * high
        _say(draw, GAP, top + high // 2 - TITLE, title, caption)
        for column, tile in enumerate(tiles[row]):
            sheet.paste(tile, (MARGIN + column * wide, top))
    return sheet


def curves(epochs: Sequence[EpochResult], noisy: Level) -> Image.Image:
    """Training loss and validation MSE, and PSNR in dB, over the epochs.

    `noisy`: of the noisy input, drawn as lines where it is known.
    """
    return _sheet(noisy.mse, noisy.psnr).draw(epochs)


class CurveSheet:
    """A figure that is drawn again with other curves: making one takes three times as long."""

    def __init__(self, noisy_mse: float | None, noisy_psnr: float | None) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

        figure = Figure(figsize=(8, 3), dpi=90)
        self._canvas = FigureCanvasAgg(figure)
        self._axes = errors, decibels = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.09, right=0.985, top=0.96, bottom=0.16, wspace=0.22)
        errors.set(xlabel="epoch", yscale="log")
        errors.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        errors.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        errors.yaxis.set_minor_locator(NullLocator())  # a third of the time went into small ticks
        decibels.set(xlabel="epoch", ylabel="dB")
        self._lines = (
            (attrgetter("train_loss"), errors.plot([], label="training loss")[0]),
            (attrgetter("val_mse"), errors.plot([], label="validation MSE")[0]),
            (attrgetter("val_psnr"), decibels.plot([], label="validation PSNR")[0]),
        )
        for axes, value in ((errors, noisy_mse), (decibels, noisy_psnr)):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if value:
                axes.axhline(value, color="grey", linestyle="--", linewidth=1, label="noisy input")
            axes.legend(fontsize=8, frameon=False)

    def draw(self, epochs: Sequence[EpochResult]) -> Image.Image:
        numbers = [result.epoch for result in epochs]
        for value, line in self._lines:
            line.set_data(numbers, [value(result) for result in epochs])
            line.set_marker("o" if len(epochs) == 1 else "")  # one point is no line
        for axes in self._axes:
            axes.relim()
            axes.autoscale_view()
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB")


@lru_cache(maxsize=8)
def _sheet(noisy_mse: float | None, noisy_psnr: float | None) -> CurveSheet:
    return CurveSheet(noisy_mse, noisy_psnr)


# ---- pixels ----------------------------------------------------------------------------


def pixels(images_NCHW: Tensor) -> list[NDArray[np.uint8]]:
    """[H, W, 1] or [H, W, 3] for each image; one of other channels shows its first ones."""
    values = (images_NCHW.clamp(0, 1) * 255).round().byte().movedim(1, -1).cpu().numpy()
    return list(values[..., :1] if values.shape[-1] in (1, 2) else values[..., :3])


def strip(images: Sequence[NDArray[np.uint8]]) -> Image.Image:
    """Images of one size in a row, pixel for pixel: `unstrip` gives them back."""
    row = np.concatenate(list(images), axis=1)
    return Image.fromarray(row[..., 0] if row.shape[-1] == 1 else row)


def unstrip(picture: Image.Image, number: int) -> Tensor:
    """[number, C, h, w] in [0, 1]."""
    values = np.asarray(picture)
    values = values[..., None] if values.ndim == 2 else values
    images = np.stack(np.split(values, number, axis=1)).astype(np.float32) / 255
    return Tensor(images).movedim(-1, 1)


def _heat(grey_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from matplotlib import colormaps  # slow to import

    return (colormaps["magma"](grey_HW)[..., :3] * 255).astype(np.uint8)


def _tile(image_HWC: NDArray[np.uint8]) -> Image.Image:
    grey_or_rgb = image_HWC[..., 0] if image_HWC.shape[-1] == 1 else image_HWC
    if len(grey_or_rgb) == 1:  # a feature vector, drawn as a band
        grey_or_rgb = np.repeat(grey_or_rgb, max(1, grey_or_rgb.shape[1] // 4), axis=0)
    picture = Image.fromarray(np.ascontiguousarray(grey_or_rgb)).convert("RGB")
    scale = max(1, -(-TILE // min(picture.size)))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _say(draw: ImageDraw.ImageDraw, left: float, top: float, title: str, caption: str) -> None:
    font = ImageFont.load_default(size=14)
    draw.text((left, top), title, fill="black", font=font)
    draw.text((left, top + TITLE), caption, fill="#555555", font=font)


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")  # optimized, it takes five times as long for a fiftieth
    return file.getvalue()
