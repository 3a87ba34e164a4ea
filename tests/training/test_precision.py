"""Which number format, and that it is used."""

import pytest
import torch

from autoencoder_hpo.training.precision import autocast, choose_precision


def test_the_precision_is_used() -> None:
    device = torch.device("cpu")
    assert choose_precision(device) in ("float32", "bfloat16")
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(device, "float32"):
        assert layer(x).dtype == torch.float32
    with autocast(device, "bfloat16"):
        assert layer(x).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("bf16", "amx", "chosen"),
    [(True, False, "bfloat16"), (False, True, "bfloat16"), (False, False, "float32")],
)
def test_the_cpus_instructions_decide(
    monkeypatch: pytest.MonkeyPatch, *, bf16: bool, amx: bool, chosen: str
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    assert choose_precision(torch.device("cpu")) == chosen
