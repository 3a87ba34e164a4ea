"""One trial, start to finish: what it stores, how it ends, and how it goes on after a stop."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import FrozenTrial, TrialState
from support import Create, after, inputs_of

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.leases import release
from autoencoder_hpo.storage.records import Cause
from autoencoder_hpo.storage.status import best_json, summary
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.training.checkpoint import Identity
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.training.steps import Steps
from autoencoder_hpo.worker import trial
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.outcomes import Abandoned, Complete, Failed, HandedBack, Outcome, Pruned
from autoencoder_hpo.worker.pruning import AsyncPruner
from autoencoder_hpo.worker.trial import run_trial

DROPPY = {
    "kind": "mlp",
    "depth": 1,
    "width": {"int": [8, 32]},
    "latent": 8,
    "dropout": 0.3,
    "normalization": "batch",
}


def run_one(
    opened: StudyHandle, context: WorkerContext, cancelled: Callable[[], bool] = lambda: False
) -> Outcome:
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed), claimed
    data = inputs_of(opened.file, context.settings).prepared
    return run_trial(opened, claimed, data, context, cancelled=cancelled)


def only(opened: StudyHandle) -> FrozenTrial:
    (trial,) = opened.trials()
    return trial


def curve(trial: FrozenTrial) -> list[float]:
    return [result["val_mse"] for result in trial.user_attrs["history"]]


def test_a_complete_trial_stores_all_that_it_takes_to_repeat_it(
    create: Create, context: WorkerContext
) -> None:
    opened = create()
    outcome = run_one(opened, context)
    trial = only(opened)
    attrs = trial.user_attrs
    assert outcome == Complete(trial.value)
    assert trial.value == attrs["scores"]["val_mse"] == min(curve(trial))
    assert list(trial.intermediate_values.values()) == curve(trial)
    assert attrs["config"]["model"]["width"] == trial.params["model.mlp.width"]
    assert set(attrs["run"]) == {
        "seed",
        "device",
        "cpu",
        "threads",
        "precision",
        "versions",
        "git",
        "data_hash",
    }
    assert attrs["run"]["data_hash"] == opened.data.hash
    scores = attrs["scores"]
    assert scores["psnr_gain"] == pytest.approx(scores["val_psnr"] - scores["noisy_psnr"])
    assert scores["noisy_psnr"] == pytest.approx(opened.data.noisy.psnr)
    assert set(attrs["groups"]) == set(opened.data.groups) == set("0123456789")
    assert set(opened.data.affine.groups) == set("0123456789")
    assert sum(opened.data.groups.values()) == opened.data.counts["validation"]
    assert attrs["parameters"] > 0
    assert attrs["worker"] == context.worker
    assert Path(attrs["picture"]).read_bytes()[:4] == b"\x89PNG"
    assert not list(context.settings.trials.rglob("checkpoint.*"))


def test_the_value_is_the_objective(create: Create, context: WorkerContext) -> None:
    opened = create(search={"objective": "val_psnr"})
    run_one(opened, context)
    assert only(opened).value == only(opened).user_attrs["scores"]["val_psnr"]


@pytest.mark.parametrize("metric", [Metric.VAL_SSIM, Metric.VAL_BCE])
def test_an_objective_of_its_own_is_measured_in_every_epoch(
    create: Create, context: WorkerContext, metric: Metric
) -> None:
    opened = create(search={"objective": metric.value})
    run_one(opened, context)
    trial = only(opened)
    course = [epoch[metric.value] for epoch in trial.user_attrs["history"]]
    assert list(trial.intermediate_values.values()) == course
    assert len(set(course)) == len(course) == 3
    assert trial.value == trial.user_attrs["scores"][metric.value]
    assert trial.value == pytest.approx(metric.best(course), rel=1e-4)
    assert trial.user_attrs[metric.value] == metric.best(course)
    best = summary(opened).best
    assert best is not None
    assert best_json(best)[metric.value] == best.by(metric) == trial.value


def test_the_records_of_other_studies_know_nothing_of_it(
    create: Create, context: WorkerContext
) -> None:
    opened = create()
    run_one(opened, context)
    attrs = only(opened).user_attrs
    assert list(attrs["history"][0]) == [
        "epoch", "train_loss", "val_mse", "val_psnr", "learning_rate",
    ]  # fmt: skip
    assert list(attrs["scores"]) == [
        "val_mse", "val_psnr", "val_ssim", "noisy_mse", "noisy_psnr", "noisy_ssim", "psnr_gain",
    ]  # fmt: skip
    assert not {"val_mse", "val_ssim", "val_bce"} & set(attrs)


def test_without_corruption_there_is_no_gain(create: Create, context: WorkerContext) -> None:
    opened = create(task={"corruption": {"kind": "none"}})
    run_one(opened, context)
    scores = only(opened).user_attrs["scores"]
    assert (scores["noisy_psnr"], scores["psnr_gain"]) == (None, None)
    assert scores["val_psnr"] > 5


def test_folds_report_their_mean(create: Create, context: WorkerContext) -> None:
    opened = create(task={"folds": 3, "epochs": 2})
    run_one(opened, context)
    assert len(curve(only(opened))) == 2
    assert only(opened).value == pytest.approx(min(curve(only(opened))))


@pytest.mark.parametrize("stopped_after", [1, 5, 9])
def test_a_trial_stopped_anywhere_goes_on_to_the_identical_curve(
    create: Create, context: WorkerContext, stopped_after: int
) -> None:
    """R10: 4 steps and one validation an epoch, so that this stops in epochs 1, 2 and 3."""
    whole = create(name="whole", search={"trials": 1}, trial={"model": DROPPY})
    run_one(whole, context)
    opened = create(name="parts", search={"trials": 1}, trial={"model": DROPPY})
    assert run_one(opened, context, after(stopped_after)) == HandedBack()
    assert only(opened).state is TrialState.WAITING
    run_one(opened, context)
    assert curve(only(opened)) == curve(only(whole))
    assert only(opened).intermediate_values == only(whole).intermediate_values
    assert only(opened).number == 0


def test_a_trial_goes_on_elsewhere_from_its_first_epoch_to_the_same_curve(
    create: Create, context: WorkerContext
) -> None:
    whole = create(name="whole", search={"trials": 1})
    run_one(whole, context)
    opened = create(name="parts", search={"trials": 1})
    run_one(opened, context, after(9))
    for checkpoint in context.settings.trials.rglob("checkpoint.pt"):
        checkpoint.unlink()  # as on another machine
    run_one(opened, context)
    assert curve(only(opened)) == curve(only(whole))


def test_of_short_epochs_the_first_and_the_last_are_saved(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    save = trial.save_checkpoint

    def note(path: Path, state: dict[str, Any], identity: Identity) -> None:
        saved.append(len(state["history"]))
        save(path, state, identity)

    monkeypatch.setattr(trial, "save_checkpoint", note)
    monkeypatch.setattr(trial, "SAVE_S", 3600.0)
    opened = create(search={"trials": 1})
    run_one(opened, context)
    assert saved == [1, len(only(opened).user_attrs["history"])]


def test_a_polite_stop_costs_no_epoch_however_short(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs since the last save are in the checkpoint, and what was trained of the next one."""
    monkeypatch.setattr(trial, "SAVE_S", 3600.0)
    opened = create(search={"trials": 1}, task={"epochs": 6})
    assert run_one(opened, context, after(18)) == HandedBack()
    (path,) = context.settings.trials.rglob("checkpoint.pt")
    state = torch.load(path, weights_only=True)["state"]
    assert len(state["history"]) >= 3
    assert len(state["midway"]["losses"]) > 0


def test_a_damaged_checkpoint_is_said_and_not_used(
    create: Create, context: WorkerContext, caplog: pytest.LogCaptureFixture
) -> None:
    opened = create(search={"trials": 1})
    run_one(opened, context, after(9))
    (checkpoint,) = context.settings.trials.rglob("checkpoint.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert isinstance(run_one(opened, context), Complete)
    assert "the checkpoint is damaged; the trial starts from its first epoch" in caplog.text


def test_a_continued_trial_keeps_its_thread_count(create: Create, context: WorkerContext) -> None:
    opened = create(search={"trials": 1})
    run_one(opened, context, after(5))
    torch.set_num_threads(2)
    two = WorkerContext(context.worker, context.device, 2, context.settings)
    run_one(opened, two)
    assert only(opened).user_attrs["run"]["threads"] == 1
    assert torch.get_num_threads() == 1


EXPLODES = {
    "trial": {
        "optimizer": {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.9},
        "model": {
            "kind": "mlp", "depth": 4, "width": 32, "taper": 1.0, "output": "linear",
            "activation": "elu",
        },
    },
    "task": {"epochs": 20},
}  # fmt: skip


def test_a_loss_that_is_not_finite_prunes_with_its_reason(
    create: Create, context: WorkerContext
) -> None:
    """R21: the constraint is what TPE learns from."""
    opened = create(**EXPLODES)
    outcome = run_one(opened, context)
    assert isinstance(outcome, Pruned)
    assert outcome.cause is Cause.NOT_FINITE
    trial = only(opened)
    assert trial.state is TrialState.PRUNED
    assert "the loss was not finite in epoch" in trial.user_attrs["reason"]
    assert trial.user_attrs["cause"] == "not_finite"
    assert trial.constraints == {"trainable": 1.0}


def test_a_verdict_that_could_not_be_told_is_told_by_the_next_worker(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R7: the checkpoint is the spool; nothing is trained again."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    opened = create(**EXPLODES)
    with monkeypatch.context() as patch:
        patch.setattr(trial, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            run_one(opened, context)
    assert only(opened).state is TrialState.RUNNING
    release(opened, only(opened)._trial_id, context.worker)
    monkeypatch.setattr(Training, "epoch", killed)
    outcome = run_one(opened, context)
    assert isinstance(outcome, Pruned)
    assert "the loss was not finite in epoch" in only(opened).user_attrs["reason"]
    assert only(opened).state is TrialState.PRUNED


def test_a_verdict_of_a_checkpoint_of_before_is_understood() -> None:
    """It said whether the trial was feasible, and no cause."""
    early = {"reason": "unpromising after epoch 2 (median pruner)", "infeasible": False}
    assert Pruned.of_record(early) == Pruned(early["reason"], Cause.UNPROMISING)
    ill = {"reason": "the loss was not finite in epoch 3", "infeasible": True}
    assert Pruned.of_record(ill) == Pruned(ill["reason"], Cause.NOT_FINITE)
    now = Pruned("out of memory: 9 bytes", Cause.OUT_OF_MEMORY)
    assert Pruned.of_record(now.as_record()) == now


def break_training(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def epoch(self: Training) -> Steps[EpochResult]:
        yield from ()
        raise error

    monkeypatch.setattr(Training, "epoch", epoch)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_prunes_with_its_reason(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """R8."""
    opened = create()
    break_training(monkeypatch, error)
    assert isinstance(run_one(opened, context), Pruned)
    assert only(opened).user_attrs["reason"].startswith("out of memory")
    assert only(opened).user_attrs["cause"] == "out_of_memory"
    assert only(opened).constraints == {"trainable": 1.0}


def test_any_other_error_fails_with_reason_and_traceback(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = create()
    break_training(monkeypatch, ZeroDivisionError("division by zero\nand more"))
    assert isinstance(run_one(opened, context), Failed)
    trial = only(opened)
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["reason"] == "ZeroDivisionError: division by zero"
    assert "raise error" in trial.user_attrs["traceback"]
    assert trial.user_attrs["cause"] == "bug"


def test_a_trial_taken_by_another_worker_is_left_to_it(
    create: Create, context: WorkerContext, caplog: pytest.LogCaptureFixture
) -> None:
    """R5: one result, never two."""
    opened = create(search={"trials": 1})
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed)
    release(opened, claimed.trial_id, context.worker)
    assert isinstance(claim(opened, "other"), Claimed)
    data = inputs_of(opened.file, context.settings).prepared
    outcome = run_trial(opened, claimed, data, context, cancelled=lambda: False)
    assert outcome == Abandoned()
    assert "taken over by another worker" in caplog.text
    assert only(opened).state is TrialState.RUNNING


def test_the_pruner_ends_a_trial_that_falls_behind(create: Create, context: WorkerContext) -> None:
    opened = create(
        search={"pruner": {"kind": "median", "startup_trials": 1, "warmup_epochs": 1}, "trials": 3},
        trial={"optimizer": {"kind": "adam", "learning_rate": [1e-2, 1e-7]}},
    )
    outcomes = [run_one(opened, context) for _ in range(3)]
    pruned = [outcome for outcome in outcomes if isinstance(outcome, Pruned)]
    states = [(t.params["optimizer.adam.learning_rate"], t.state.name) for t in opened.trials()]
    assert pruned, states
    assert pruned[0].cause is Cause.UNPROMISING
    assert "(median pruner)" in pruned[0].reason


def last_one_pruned(create: Create, context: WorkerContext, name: str) -> FrozenTrial:
    """Of two trials of which the sampler makes the second one worse."""
    opened = create(
        name=name,
        search={
            "pruner": {"kind": "median", "startup_trials": 1, "warmup_epochs": 1},
            "sampler": {"kind": "grid"},
            "trials": 2,
        },
        trial={
            "optimizer": {"kind": "adam", "learning_rate": [1e-2, 1e-7]},
            "model": {"kind": "mlp", "depth": 1, "width": 16, "latent": 8},
        },
    )
    run_one(opened, context)
    assert isinstance(run_one(opened, context), Pruned)
    return opened.trials()[-1]


def test_an_epoch_trained_before_a_late_verdict_is_dropped(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial ends at the same epoch however slow the database is."""
    n_fused = last_one_pruned(create, context, "at-once")
    trained = threading.Event()
    validate, falls_behind = Training._validate, AsyncPruner._falls_behind

    def validated(training: Training) -> tuple[float, float]:
        scores = validate(training)
        if training.history:  # the epoch after the rung
            trained.set()
        return scores

    def late(pruner: AsyncPruner, values: dict[int, float]) -> bool:
        assert trained.wait(30)
        return falls_behind(pruner, values)

    monkeypatch.setattr(Training, "_validate", validated)
    monkeypatch.setattr(AsyncPruner, "_falls_behind", late)
    too_late = last_one_pruned(create, context, "late")
    assert curve(too_late) == curve(n_fused) == list(too_late.intermediate_values.values())
    reasons = {trial.user_attrs["reason"] for trial in (n_fused, too_late)}
    assert reasons == {"unpromising after epoch 1 (median pruner)"}


def test_early_stopping_ends_a_complete_trial(create: Create, context: WorkerContext) -> None:
    opened = create(
        task={"epochs": 50},
        trial={
            "early_stopping": 2,
            "optimizer": {"kind": "adam", "learning_rate": 1e-12},
            "schedule": {"kind": "constant"},
        },
    )
    assert isinstance(run_one(opened, context), Complete)
    assert len(curve(only(opened))) < 50


def test_a_disk_that_cannot_be_written_costs_no_result(
    create: Create, context: WorkerContext, caplog: pytest.LogCaptureFixture
) -> None:
    opened = create()
    context.settings.trials.write_text("in the way")
    assert isinstance(run_one(opened, context), Complete)
    assert "no checkpoint for trial 0" in caplog.text
    assert "no picture for trial 0" in caplog.text


def test_the_trial_is_handed_back_at_the_deadline(create: Create, context: WorkerContext) -> None:
    opened = create(search={"trials": None, "timeout": 3}, task={"epochs": 100_000})
    assert run_one(opened, context) == HandedBack()
    assert only(opened).state is TrialState.WAITING
