"""Stacks of trials: which go together, how they end, and how many pay."""

import pytest
import sqlalchemy
import torch
from optuna.trial import FrozenTrial, TrialState
from support import Create, inputs_of
from typer.testing import CliRunner

from autoencoder_hpo.reproduce import reproduce
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker import batching
from autoencoder_hpo.worker.batching import Batcher, NumberFused, best_size
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.outcomes import Complete, HandedBack, Outcome, Pruned

WIDE = {
    "trial": {
        "batch_size": [32, 64],
        "model": {
            "kind": "mlp",
            "depth": {"int": [1, 2]},
            "width": {"int": [8, 64]},
            "latent": 8,
            "dropout": {"float": [0.0, 0.4]},
        },
    },
}


@pytest.fixture(autouse=True)
def _from_the_first_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "ALONE", 0)
    monkeypatch.setattr(batching, "ALONE_SHARE", 0)


def run(
    opened: StudyHandle, context: WorkerContext, stacking: NumberFused, fillings: int = 1
) -> list[tuple[Claimed, Outcome]]:
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed), claimed
    data = inputs_of(opened.file, context.settings).prepared
    batcher = Batcher(stacking, fillings=fillings)
    return batcher.run(opened, claimed, data, context, cancelled=lambda: False)


def shape(trial: FrozenTrial) -> tuple[object, ...]:
    names = ("batch_size", "model.mlp.depth", "model.mlp.width")
    return tuple(trial.params[name] for name in names)


def test_trials_of_a_stack_share_their_shape_and_nothing_else(
    create: Create, context: WorkerContext
) -> None:
    opened = create(search={"trials": 5}, **WIDE)
    assert len(run(opened, context, 3)) == 3
    assert len(run(opened, context, 3)) == 2  # the budget is used up
    trials = opened.trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5
    for stack in (trials[:3], trials[3:]):
        assert len({shape(trial) for trial in stack}) == 1
        for name in ("optimizer.adam.learning_rate", "model.mlp.dropout"):
            assert len({trial.params[name] for trial in stack}) == len(stack)
        assert {trial.user_attrs["at_once"] for trial in stack} == {len(stack)}
        assert all(len(trial.user_attrs["history"]) == 3 for trial in stack)
    assert shape(trials[0]) != shape(trials[3])


def test_a_trial_of_a_stack_is_what_it_would_be_alone(
    create: Create, context: WorkerContext
) -> None:
    opened = create(search={"trials": 3}, **WIDE)
    run(opened, context, 3)
    inputs = inputs_of(opened.file, context.settings)
    for trial in opened.trials():
        stored = StoredTrial.of(trial)
        again = reproduce(opened, stored, inputs, context.device, epoch_done=lambda _: None)
        assert "trained with 2 others at once, now alone" in again.differences
        assert again.reproduced


def test_a_pruned_trial_leaves_the_stack(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = create(search={"trials": 3, "pruner": {"kind": "median"}}, **WIDE)
    monkeypatch.setattr(
        "autoencoder_hpo.storage.samplers.PruningCheck.falls_behind",
        lambda self, values, complete: self._number == 1,
    )
    outcomes = [outcome for _, outcome in run(opened, context, 3)]
    assert isinstance(outcomes[1], Pruned)
    states = [trial.state for trial in opened.trials()]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert [len(trial.user_attrs["history"]) for trial in opened.trials()] == [3, 1, 3]


@pytest.mark.parametrize(("budget", "trained"), [(4, [3, 1, 3, 3]), (10, [3, 1, 3, 3, 3, 3])])
def test_others_take_the_places_of_those_that_ended(
    budget: int,
    trained: list[int],
    create: Create,
    context: WorkerContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = create(search={"trials": budget, "pruner": {"kind": "median"}}, **WIDE)
    monkeypatch.setattr(
        "autoencoder_hpo.storage.samplers.PruningCheck.falls_behind",
        lambda self, values, complete: self._number == 1,
    )
    run(opened, context, 3, fillings=2)
    trials = opened.trials()
    assert [len(trial.user_attrs["history"]) for trial in trials] == trained
    assert len({shape(trial) for trial in trials}) == 1
    if budget > len(trained):
        run(opened, context, 3, fillings=2)
        assert len({shape(trial) for trial in opened.trials()}) == 2  # a free trial chose it


def test_those_that_train_do_not_wait_for_a_database_that_is_away(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = create(search={"trials": 3}, **WIDE)
    away = sqlalchemy.exc.OperationalError("", {}, Exception("Connection refused"))

    def claim_nothing(*_: object, **__: object) -> None:
        raise away

    monkeypatch.setattr(batching, "claim", claim_nothing)
    ((_, outcome),) = run(opened, context, 3)
    assert isinstance(outcome, Complete)


def test_a_stop_hands_all_of_them_back(create: Create, context: WorkerContext) -> None:
    opened = create(search={"trials": 3}, **WIDE)
    asked = iter([False] * 40)
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed)
    data = inputs_of(opened.file, context.settings).prepared
    outcomes = Batcher(3).run(opened, claimed, data, context, cancelled=lambda: next(asked, True))
    assert [type(outcome) for _, outcome in outcomes] == [HandedBack] * 3
    assert [trial.state for trial in opened.trials()] == [TrialState.WAITING] * 3


def test_the_first_trials_choose_their_shapes_freely(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "ALONE", 2)
    opened = create(search={"trials": 5}, **WIDE)
    assert [len(run(opened, context, 3)) for _ in range(3)] == [1, 1, 3]


def test_a_part_of_the_budget_goes_alone(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "ALONE_SHARE", 1 / 3)
    opened = create(search={"trials": 9}, **WIDE)
    assert [len(run(opened, context, 3)) for _ in range(5)] == [1, 1, 1, 3, 3]


def test_cells_of_a_grid_stay_as_they_are(create: Create, context: WorkerContext) -> None:
    grid = {
        "search": {"sampler": {"kind": "grid"}, "trials": None},
        "trial": {
            "batch_size": [32, 64],
            "optimizer": {"kind": "adam", "learning_rate": [1e-3, 1e-2]},
            "model": {"kind": "mlp", "depth": 1, "width": [8, 16], "latent": 8},
        },
    }
    opened = create(**grid)
    assert len(run(opened, context, 4)) == 1


def test_on_a_cpu_auto_trains_one(create: Create, context: WorkerContext) -> None:
    opened = create(search={"trials": 3}, **WIDE)
    assert len(run(opened, context, "auto")) == 1
    assert opened.trials()[0].user_attrs["at_once"] == 1


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.1, 16: 2.1}, 8),  # no gain from 8 to 16
        ({1: 1.0, 2: 1.9}, 1),
        ({1: 1.0, 2: 1.0, 4: None}, 2),  # 4 do not fit into memory
    ],
)
def test_as_many_as_pay(
    seconds: dict[int, float | None], best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "_seconds_of_step", lambda task, train_state, size: seconds[size])
    assert best_size(None, None) == best  # type: ignore[arg-type]


def test_the_measurement_measures(create: Create, context: WorkerContext) -> None:
    from training.examples import TASK, training

    train_state = training().train_state
    before = {name: tensor.clone() for name, tensor in train_state.model.state_dict().items()}
    assert best_size(TASK, train_state, most=4) in (1, 2, 4)
    for name, tensor in train_state.model.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "2000"])
def test_a_wrong_stack_is_said(wrong: str) -> None:
    from autoencoder_hpo.cli.main import app

    result = CliRunner().invoke(app, ["worker", "tiny", "--stack", wrong])
    assert result.exit_code == 2
    assert f"--stack {wrong}: give auto, or a number from 1 to 1024" in result.output
