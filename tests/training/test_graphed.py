"""Captured steps. Here the capture is a function that is called again; tests/gpu has real graphs."""

from collections.abc import Sequence

import pytest
import torch
from torch import Generator
from training.examples import MODELS, OPTIMIZERS
from training.test_stacked import LANES, LONG, curve, difference, in_float64, lane_config, whole

from autoencoder_hpo.training.graphed import GraphedSteps, Run
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.steps import drive, together


class Again:
    """Captures by calling the same again, and counts."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, run: Run, generators: Sequence[Generator]) -> Run:
        self.captures += 1
        run()  # a capture touches everything, too

        def replay() -> list[torch.Tensor]:
            self.replays += 1
            return run()

        return replay


def graphed(runs: Sequence[Training], again: Again) -> None:
    drive(together([whole(run) for run in runs]), GraphedSteps(again))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_a_captured_step_has_the_curve_of_one_that_is_not(model: str, optimizer: str) -> None:
    """Warming up and capturing leave no trace: weights, moments, statistics, streams."""
    trial = lane_config(0, model, "batch", optimizer)
    run, again = in_float64(trial, 0), Again()
    graphed([run], again)
    assert difference(run.history, curve(in_float64(trial, 0))) < 1e-12
    assert again.captures == 2  # whole batches, and the last one
    assert again.replays == 5 * LONG.epochs


def test_a_stack_is_captured_too_and_anew_when_one_leaves() -> None:
    configs = [
        lane_config(n, "conv", "batch", "adam").model_copy(update={"epochs": 11 - 4 * n})
        for n in range(len(LANES) - 1)
    ]
    runs, again = [in_float64(trial, n) for n, trial in enumerate(configs)], Again()
    graphed(runs, again)
    for n, run in enumerate(runs):
        assert difference(run.history, curve(in_float64(configs[n], n))) < 1e-8
    assert again.captures == 6  # for three, two and one of them


def test_what_cannot_be_captured_is_trained_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(run: Run, generators: Sequence[Generator]) -> Run:
        run()
        raise RuntimeError("operation not permitted when stream is capturing")

    trial = lane_config(0, "mlp", "batch", "adam")
    run = in_float64(trial, 0)
    drive(whole(run), GraphedSteps(refuse))
    assert difference(run.history, curve(in_float64(trial, 0))) < 1e-12
    assert caplog.text.count("no CUDA graph, so that steps take longer: operation not") == 1


def test_a_trial_goes_on_with_a_graph_where_it_was_trained_without() -> None:
    trial = lane_config(3, "unet", "group", "adamw")
    begun = in_float64(trial, 3)
    for _ in range(4):
        drive(begun.advance())
    run = in_float64(trial, 3)
    run.load_state_dict(begun.state_dict())
    graphed([run], Again())
    assert difference(run.history, curve(in_float64(trial, 3))) < 1e-12
