"""How a proposed value is written: as a line of the study file, or in a sentence."""

import math
from typing import Any

import yaml

from autoencoder_hpo.config import ImageShape, TrialConfig
from autoencoder_hpo.space import Tree

UNET_DEPTHS = (1, 2)  # of one that is proposed: it is small, and halves small images no further


def line(path: str, value: Any) -> str:
    """A line of the study file: `trial.batch_size: [32, 64]`."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=math.inf)
    return f"{path}: {text.removesuffix('...' + chr(10)).strip()}"


def written(value: Any) -> str:
    """A value as a sentence has it, with four digits at most."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {written(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return f"[{', '.join(map(written, value))}]"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case float():
            text = f"{value:.4g}"
            return text.replace("e", ".0e") if "e" in text and "." not in text else text
        case _:
            return str(value)


def unet_for(shape: ImageShape) -> Tree | None:
    """A small unet for these images, as a study file has it; None where they are too small."""
    depths = [depth for depth in UNET_DEPTHS if _takes({"kind": "unet", "depth": depth}, shape)]
    return {"kind": "unet", "depth": depths, "channels": [8, 16, 24]} if depths else None


def _takes(model: Tree, shape: ImageShape) -> bool:
    try:
        TrialConfig.model_validate({"model": model}).model.check(shape)
    except ValueError:
        return False
    return True
