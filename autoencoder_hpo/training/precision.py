"""In which number format a step computes; weights are float32 always."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def choose_precision(device: torch.device) -> Precision:
    """bfloat16 where it is faster for the shapes that we train, else float32."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    # One core with AVX512-BF16, batch 64 of 28×28: mlp 1.5, conv 1.6, unet 1.6 times as fast as
    # float32, and the curves agree; without such instructions it is many times slower.
    if device.type == "cpu" and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    ):
        return "bfloat16"
    return "float32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Compute in this precision inside the block."""
    if precision == "float32":
        return nullcontext()
    # The cache would hold casts of weights that a step is about to change.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
