"""Records are read as they were written, leniently, and a trial's end has a cause."""

import json
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial
from records import RUN, data_of

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.records import (
    Cause,
    RunRecord,
    StoredTrial,
    TrialRecord,
    cause_of_pruned,
)
from autoencoder_hpo.storage.status import Best, best_json, trial_json
from autoencoder_hpo.storage.study_records import (
    Audited,
    Budget,
    Halt,
    Look,
    ShownState,
    StoredFile,
    StudyData,
    StudyRecord,
    study_attrs,
)
from autoencoder_hpo.storage.wording import trial_line
from autoencoder_hpo.training.results import EpochResult, Health, Scores

SCORES = Scores(0.01, 20.0, 0.9, 0.02, 17.0, None, 3.0, also={"val_bce": 0.3})
WHOLE = TrialRecord(
    start="search.start 0",
    cell=3,
    losses=(1, 2),
    config={"model": {"kind": "mlp"}},
    run=RunRecord.of_record(RUN),
    device="cpu",
    worker="here:1",
    scores=SCORES,
    groups={"0": 19.5},
    best_epoch=2,
    parameters=100,
    seconds=1.5,
    n_fused=4,
    history=(EpochResult(1, 0.1, 0.02, 17.0, 0.001, also={"val_bce": 0.4}),),
    val_psnr=20.0,
    also={"val_bce": 0.3},
    psnr_gain=3.0,
    health=Health(64, 0.1, 0.2, 20.0, None, 0.1, 0.2, None, None),
    picture="/there/restored.png",
    no_pictures="the disk is full",
    reason="unpromising after epoch 2",
    cause=Cause.UNPROMISING,
    traceback="",
)
DATA = data_of({
    "uid": "ab", "counts": {"train": 9}, "noisy": {"mse": 0.02, "psnr": 17.0, "ssim": None},
    "affine": {"mse": 0.01, "psnr": 19.0, "ssim": 0.8, "sees": "all", "images": 9, "groups": None},
    "groups": {"0": 9}, "pca": {"components": [1, 2], "mse": [0.5, 0.25]},
    "census": {
        "looked_at": 9, "copies": 0, "constant": 1, "white": 0, "typically_white": 0.1,
        "outliers": 0, "at_0": 0.5, "at_1": 0.1,
        "folders": {"number": 2, "fewest": ["a", 4], "most": ["b", 5]},
    },
    "skipped": ["x.png: no picture"],
})  # fmt: skip
STUDY = StudyRecord(
    file=StoredFile("name: tiny", "/here", "tiny.yaml"),
    data=DATA,
    budget=Budget(4, 60.0),
    deadline=99.5,
    halt=Halt("stopped", "ten failures", by_hand=False),
    cleared=2,
    shown=ShownState(1, 2.5, 3),
    looks=(Look("i", "k", 1.5, "ada@here", 3, 20.0, 40),),
    audit=(Audited(5, 1, None, None),),
)


def through_json(given: Any) -> Any:
    return json.loads(json.dumps(given, allow_nan=False))


def test_a_trial_is_read_as_it_was_written() -> None:
    stored = through_json(WHOLE.as_attrs())
    assert TrialRecord.of_attrs(stored) == WHOLE
    assert TrialRecord.of_attrs(stored).as_attrs() == WHOLE.as_attrs()


def test_every_field_of_a_trial_is_tested() -> None:
    empty = TrialRecord()
    fields = TrialRecord.__dataclass_fields__
    assert [name for name in fields if getattr(WHOLE, name) == getattr(empty, name)] == []


def test_the_names_under_which_a_trial_is_stored_stay() -> None:
    """Databases and exports have them."""
    assert set(WHOLE.as_attrs()) == {
        "start", "cell", "losses", "config", "run", "device", "worker", "scores", "groups",
        "best_epoch", "parameters", "seconds", "at_once", "history", "val_psnr", "val_bce",
        "psnr_gain", "health", "picture", "no_pictures", "reason", "cause", "traceback",
    }  # fmt: skip


def test_what_is_not_known_is_not_stored_but_that_there_is_no_gain() -> None:
    assert TrialRecord(worker="a").as_attrs() == {"worker": "a"}
    ended = TrialRecord(history=(), val_psnr=20.0)
    assert ended.as_attrs() == {"history": [], "val_psnr": 20.0, "psnr_gain": None}


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"scores": 3, "history": "long", "run": [], "health": None, "config": "mlp"},
        {"scores": {"val_mse": 0.1}, "history": [{"epoch": 1}, 7], "run": {"seed": 1}},
        {"losses": 3, "cause": "a cause of tomorrow", "worker": 7, "seconds": "long"},
    ],
)
def test_what_others_store_is_none(attrs: dict[str, Any]) -> None:
    """Stock Optuna's trials have no attributes; they are shown all the same."""
    trial = StoredTrial.of(create_trial(value=0.5, user_attrs=attrs))
    assert trial.record == TrialRecord(
        history=() if isinstance(attrs.get("history"), list) else None
    )
    assert trial.cause is None
    assert trial_json(trial)["scores"] is None
    assert trial_line(trial, Metric.VAL_MSE).startswith("trial  -1  ?     complete  –")
    assert best_json(Best.of(trial, DATA.affine, Metric.VAL_MSE))["val_mse"] is None


def test_a_study_is_read_as_it_was_written() -> None:
    fields = StudyRecord.__dataclass_fields__
    attrs = study_attrs(**{name: getattr(STUDY, name) for name in fields})  # type: ignore[misc]
    assert StudyRecord.of(through_json(attrs)) == STUDY
    assert set(attrs) == {
        "study_file", "data", "budget", "deadline", "halted", "cleared", "shown", "looks", "audit",
    }  # fmt: skip


def test_an_old_study_lacks_much() -> None:
    old = {"noisy": {"mse": 0.02, "psnr": 17.0}, "shape": [1, 8, 8], "counts": {"train": 9}}
    found = StudyData.of_record(old)
    assert (found.affine, found.pca, found.census, found.skipped) == (None, None, None, ())
    new = StudyRecord.of({"study_file": {"text": "", "base": "/", "where": ""}, "data": old})
    assert (new.budget, new.cleared, new.shown) == (Budget(None, None), 0, ShownState())


def test_nothing_is_read_of_a_study_of_another_program() -> None:
    assert StudyRecord.of({"data": "mine", "budget": 3}) == StudyRecord()


# ---- causes ----------------------------------------------------------------------------


def ended(state: TrialState, *, violated: bool = False, **attrs: Any) -> StoredTrial:
    system = {"constraints:trainable": 1.0} if violated else {}
    value = 0.5 if state is TrialState.COMPLETE else None
    return StoredTrial.of(
        create_trial(state=state, value=value, user_attrs=attrs, system_attrs=system)
    )


FAIL, PRUNED = TrialState.FAIL, TrialState.PRUNED
TRACE = "Traceback (most recent call last): …"


@pytest.mark.parametrize(
    ("trial", "cause"),
    [
        (ended(PRUNED, violated=True, reason="the loss was not finite in epoch 3"), Cause.NOT_FINITE),
        (ended(PRUNED, violated=True, reason="out of memory on the device: 2 GiB"), Cause.OUT_OF_MEMORY),
        (ended(PRUNED, violated=True, reason="out of memory: 9 bytes"), Cause.OUT_OF_MEMORY),
        (ended(PRUNED, violated=True, reason="something else"), Cause.ERROR),
        (ended(PRUNED, reason="unpromising after epoch 1 (median pruner)"), Cause.UNPROMISING),
        (ended(PRUNED), Cause.UNPROMISING),
        (ended(FAIL, reason="its worker was lost 4 times without finishing an epoch"), Cause.LOST_WORKER),
        (ended(FAIL, violated=True, reason="RuntimeError: planted", traceback=TRACE), Cause.BUG),
        (ended(FAIL, violated=True, reason="the disk is full", traceback=""), Cause.ERROR),
        (ended(FAIL, violated=True), Cause.ERROR),
        (ended(FAIL), None),
        (ended(TrialState.COMPLETE), None),
        (ended(TrialState.RUNNING), None),
        (ended(TrialState.WAITING, reason="left over"), None),
    ],
)  # fmt: skip
def test_trials_of_before_have_a_cause_by_their_sentence(
    trial: StoredTrial, cause: Cause | None
) -> None:
    assert trial.cause is cause
    assert trial.is_infeasible == (trial.violated and cause is not Cause.UNPROMISING)


def test_the_stored_cause_counts_and_not_the_sentence() -> None:
    trial = ended(PRUNED, reason="the loss was not finite in epoch 3", cause="unpromising")
    assert trial.cause is Cause.UNPROMISING
    assert not trial.is_infeasible


@pytest.mark.parametrize("violated", [True, False])
def test_a_checkpoint_of_before_says_whether_its_verdict_was_infeasible(violated: bool) -> None:
    cause = cause_of_pruned("unpromising after epoch 2 (median pruner)", violated=violated)
    assert cause.infeasible == violated
