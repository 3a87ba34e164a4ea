"""In which number format a step computes; weights are float32 always."""

from contextlib import AbstractContextManager, nullcontext

import torch

from autoencoder_hpo.training.results import Precision


def choose_precision(device: torch.device) -> Precision:
    """bfloat16 where it is faster for the shapes that we train, else float32."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    # One core of an EPYC with AVX512-BF16, torch 2.15, a training step on 64 images of 28×28: mlp
    # 5.1 instead of 6.7 ms, conv 42 instead of 77, unet 57 instead of 109. With AVX512 alone
    # (ONEDNN_MAX_CPU_ISA=AVX512_CORE) bfloat16 took 15, 201 and 234 ms.
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
