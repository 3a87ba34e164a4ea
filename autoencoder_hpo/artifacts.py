"""Where a trial's files live, and the pictures among them."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from autoencoder_hpo.settings import Settings

CHECKPOINT = "checkpoint.pt"
PANEL = "restored.png"
TILE = 112  # pixels of a tile's side, at least
GAP = 6
TITLE = 22


def study_directory(settings: Settings, name: str, uid: str) -> Path:
    """Two databases on one machine may each have a study of this name: the uid tells them apart."""
    return settings.trials / f"{name}-{uid}"


def trial_directory(settings: Settings, name: str, uid: str, number: int) -> Path:
    return study_directory(settings, name, uid) / f"{number:05d}"


def remove_study(settings: Settings, name: str, uid: str) -> None:
    shutil.rmtree(study_directory(settings, name, uid), ignore_errors=True)


def panel(
    columns: dict[str, Tensor], *, captions: dict[str, str] | None = None, across: int = 2
) -> Image.Image:
    """Images side by side: a column for each title, repeated `across` times.

    Args:
        columns: title to [N, C, H, W] images in [0, 1], all of one shape.
        captions: title to a second line under it, such as a score.
        across: how many images stand beside each other; the others follow below.
    """
    tiles = {title: [_tile(image) for image in images] for title, images in columns.items()}
    first = next(iter(tiles.values()))
    rows = -(-len(first) // across)
    wide, high = first[0].width + GAP, first[0].height + GAP
    blocks = -(-len(first) // rows)
    block = len(columns) * wide + 2 * GAP
    sheet = Image.new("RGB", (blocks * block, 2 * TITLE + GAP + rows * high), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for column, (title, images) in enumerate(tiles.items()):
        for place, image in enumerate(images):
            left = GAP + place // rows * block + column * wide
            if place % rows == 0:
                draw.text((left, 4), title, fill="black", font=font)
                caption = (captions or {}).get(title, "")
                draw.text((left, 4 + TITLE), caption, fill="#555555", font=font)
            sheet.paste(image, (left, 2 * TITLE + GAP + place % rows * high))
    return sheet


def _tile(image_CHW: Tensor) -> Image.Image:
    pixels = (image_CHW.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    grey_or_rgb = pixels[..., 0] if pixels.shape[-1] in (1, 2) else pixels[..., :3]
    if len(grey_or_rgb) == 1:  # a feature vector, drawn as a band
        grey_or_rgb = np.repeat(grey_or_rgb, max(1, grey_or_rgb.shape[1] // 4), axis=0)
    picture = Image.fromarray(np.ascontiguousarray(grey_or_rgb)).convert("RGB")
    scale = max(1, -(-TILE // min(picture.size)))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def save_panel(path: Path, sheet: Image.Image) -> None:
    """Write beside the name and rename, so that a reader never sees half a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    sheet.save(beside, format="PNG", optimize=True)
    beside.replace(path)
