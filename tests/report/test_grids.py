"""Grid studies as tables."""

from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState
from records import stored
from report.examples import trial
from support import study_file

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.grids import Cell, Grid, grid_of

WIDTHS = {"kind": "mlp", "depth": 1, "width": [8, 32], "latent": 8}
RATES = {"kind": "adam", "learning_rate": [0.001, 0.01, 0.1]}


def tried(number: int, psnr: float | None, state: TrialState = TrialState.COMPLETE,
          **params: Any) -> FrozenTrial:  # fmt: skip
    known = {
        "width": ("model.mlp.width", [8, 32]),
        "rate": ("optimizer.adam.learning_rate", [0.001, 0.01, 0.1]),
        "model": ("model", ["mlp", "mlp_2"]),
        "latent": ("model.mlp.latent", [15, 30]),
        "latent_2": ("model.mlp_2.latent", [15, 30]),
    }
    given = {known[key][0]: value for key, value in params.items()}
    choices = {known[key][0]: CategoricalDistribution(known[key][1]) for key in params}
    return trial(number, psnr, state=state, params=given, distributions=choices)


def table(trials: list[FrozenTrial], **changes: Any) -> Grid | None:
    search = {"sampler": {"kind": "grid"}, "trials": None, **changes.pop("search", {})}
    return grid_of(study_file(search=search, **changes).study, [stored(each) for each in trials])


def psnrs(grid: Grid) -> list[list[float | None]]:
    return [
        [None if cell is None else Metric.VAL_PSNR.found_in(cell.scores) for cell in row]
        for row in grid.cells
    ]


def test_two_parameters_are_rows_and_columns() -> None:
    trials = [tried(0, 17.0, width=8, rate=0.01), tried(1, 19.5, width=32, rate=0.001)]
    grid = table(trials, trial={"model": WIDTHS, "optimizer": RATES})
    assert grid is not None
    assert (grid.down, grid.across) == ("learning_rate", "width")
    assert (list(grid.down_values), list(grid.across_values)) == ([0.001, 0.01, 0.1], [8, 32])
    assert psnrs(grid) == [[None, 19.5], [17.0, None], [None, None]]
    (best,) = [cell for row in grid.cells for cell in row if cell is not None and cell.best]
    assert (best.number, best.shown(Metric.VAL_PSNR), best.shown(Metric.VAL_MSE)) == (
        1,
        "19.50 dB",
        "0.01122",
    )


def test_one_parameter_is_a_column() -> None:
    grid = table(
        [tried(0, 17.0, width=8)],
        trial={"model": WIDTHS, "optimizer": {"kind": "adam", "learning_rate": 0.001}},
    )
    assert grid is not None
    assert (grid.down, grid.across, psnrs(grid)) == ("width", None, [[17.0], [None]])


def test_the_same_parameter_of_two_options_is_one_axis() -> None:
    """As in the literature's tables: latent × hidden layers."""
    latent = {"latent": [15, 30]}
    options = [{"kind": "mlp", "depth": depth, "width": 32, **latent} for depth in (1, 2)]
    grid = table(
        [tried(0, 17.0, model="mlp", latent=30), tried(1, 18.0, model="mlp_2", latent_2=15)],
        trial={
            "model": {"choice": options},
            "optimizer": {"kind": "adam", "learning_rate": 0.001},
        },
    )
    assert grid is not None
    assert (grid.down, grid.across) == ("model", "latent")
    assert psnrs(grid) == [[None, 17.0], [18.0, None]]


def test_a_cell_without_a_score_says_why_and_a_second_try_counts() -> None:
    failed = tried(0, None, TrialState.FAIL, width=8, rate=0.001)
    again = tried(1, 17.0, width=8, rate=0.001)
    pruned = tried(2, 12.0, TrialState.PRUNED, width=32, rate=0.001)
    space = {"model": WIDTHS, "optimizer": RATES}
    grid = table([again, failed, pruned], trial=space)
    assert grid is not None
    first, second = grid.cells[0]
    assert first == Cell(1, "complete", stored(again).record.scores, best=True)
    assert second is not None
    assert second.shown(Metric.VAL_PSNR) == "pruned"


def test_other_studies_are_no_table() -> None:
    space = {"model": WIDTHS, "optimizer": RATES}
    assert table([], trial=space, search={"sampler": {"kind": "random"}, "trials": 4}) is None
    three = {**space, "batch_size": [32, 64]}
    assert table([], trial=three) is None
    fixed = {"kind": "mlp", "depth": 1, "width": 8, "latent": 8}
    rate = {"kind": "adam", "learning_rate": 0.001}
    assert table([], trial={"model": fixed, "optimizer": rate}) is None


def test_parameters_that_some_cells_lack_are_no_table() -> None:
    options = [
        {"kind": "mlp", "depth": 1, "width": [8, 32], "latent": 8},
        {"kind": "unet", "depth": 1, "channels": 4},
    ]
    space = {"model": {"choice": options}, "optimizer": {"kind": "adam", "learning_rate": 0.001}}
    assert table([], trial=space) is None


def test_two_parameters_of_one_name_stay_apart() -> None:
    space = {
        "model": {"kind": "mlp", "depth": 1, "width": 8, "latent": 8},
        "optimizer": {"kind": ["adam", "adamw"], "learning_rate": 0.001},
        "schedule": {"kind": ["constant", "cosine"]},
    }
    grid = table([], trial=space)
    assert grid is not None
    assert (grid.down, grid.across) == ("optimizer.kind", "schedule.kind")
