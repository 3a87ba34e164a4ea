"""Undoing what noise does to a pixel on average; `contracts` tests it for every kind."""

import pytest
import torch
from baselines.examples import corruption, noisy
from torch import Tensor

from autoencoder_hpo.baselines.expected import Unbias
from autoencoder_hpo.config import Corruption, GaussianNoise


def test_a_black_pixel_under_clipped_noise_is_black_again() -> None:
    unbias = Unbias.of(corruption("gaussian"))
    assert unbias is not None
    averaged = noisy(torch.zeros(1, 1, 300, 300), corruption("gaussian")).mean()
    assert float(averaged) == pytest.approx(0.2 * 0.3989, abs=0.002)
    assert float(unbias(averaged)) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    "config",
    [None, corruption("unclipped"), corruption("salt_and_pepper", fraction=1.0)],
    ids=["pairs", "unclipped", "nothing is left"],
)
def test_without_a_known_bias_that_can_be_undone_there_is_nothing_to_undo(
    config: Corruption | None,
) -> None:
    assert Unbias.of(config) is None


def test_a_kind_is_believed_that_it_cannot_be_undone() -> None:
    class Lost(GaussianNoise):
        @property
        def invertible(self) -> bool:
            return False

    assert Unbias.of(Lost(kind="gaussian", sigma=0.2)) is None


def test_steps_cannot_be_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a kind says of itself: no kind of today has steps."""

    def steps(clean: Tensor, config: Corruption) -> tuple[Tensor, Tensor]:
        mean = (clean * 4).round() / 4
        return mean, mean.square()

    assert Unbias.of(corruption()) is not None
    monkeypatch.setattr("autoencoder_hpo.baselines.expected.expected", steps)
    assert Unbias.of(corruption()) is None
