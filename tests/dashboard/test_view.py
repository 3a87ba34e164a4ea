"""What the dashboard shows of studies and trials."""

import json

import optuna_dashboard
from dashboard.conftest import VIEWER, Browser
from optuna.trial import Trial
from optuna_dashboard._serializer import serialize_frozen_trial

from autoencoder_hpo.dashboard.view import View, study_facts
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.leases import beat
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker.context import WorkerContext


def test_trials_have_columns_and_no_records(browser: Browser, trained: StudyHandle) -> None:
    answer = browser("GET", f"/api/studies/{trained.optuna._study_id}", VIEWER).json
    (trial,) = answer["trials"]
    shown = {attr["key"]: attr["value"] for attr in trial["user_attrs"]}
    stored = trained.trials()[0].user_attrs
    assert shown["val_psnr"] == str(round(stored["val_psnr"], 3))
    assert {"psnr_gain", "parameters", "seconds", "worker", "device"} <= set(shown)
    assert not {"config", "history", "run", "scores"} & set(shown)
    assert [v["step"] for v in trial["intermediate_values"]] == [1, 2, 3]
    assert {artifact["filename"] for artifact in trial["artifacts"]} == {
        "restored.png",
        "curves.png",
    }
    assert trial["note"]["body"].startswith("**")
    assert answer["objective_names"] == ["val_mse"]
    facts = {attr["key"]: attr["value"] for attr in answer["user_attrs"]}
    assert facts["noisy input, PSNR (dB)"].startswith("1")
    assert "study_file" not in facts


def test_the_stored_trial_stays_whole(trained: StudyHandle) -> None:
    view = View(trained.storage.rdb)
    for deep in (True, False):
        (slim,) = view.get_all_trials(trained.optuna._study_id, deepcopy=deep)
        assert "config" not in slim.user_attrs
    assert "config" in trained.trials()[0].user_attrs


def test_a_running_trial_is_live(
    browser: Browser, trained: StudyHandle, context: WorkerContext
) -> None:
    claimed = claim(trained, context.worker)
    assert isinstance(claimed, Claimed)
    study = trained.optuna._study_id
    view = View(trained.storage.rdb)
    for epoch in (1, 2):
        beat(trained, claimed.trial_id, context.worker, {epoch: 0.1 / epoch}, 10.0 + epoch)
        running = view.get_all_trials(study, deepcopy=False)[1]
        assert running.user_attrs["val_psnr"] == 10.0 + epoch
        assert running.intermediate_values[epoch] == 0.1 / epoch


def test_a_study_of_somebody_else_keeps_its_attributes() -> None:
    assert study_facts({"mine": 1}) == {"mine": 1}


def test_the_notes_of_a_trial_are_looked_up_and_what_stock_finds(
    trained: StudyHandle, context: WorkerContext
) -> None:
    second = claim(trained, context.worker)
    assert isinstance(second, Claimed)
    study = trained.optuna._study_id
    optuna_dashboard.save_note(trained.optuna, "of the study")
    optuna_dashboard.save_note(Trial(trained.optuna, second.trial_id), "second " * 1000)
    artifact = json.dumps({"artifact_id": "1", "filename": "old.png"})
    trained.storage.rdb.set_study_system_attr(
        study, f"dashboard:artifacts:{second.trial_id}:1", artifact
    )
    view = View(trained.storage.rdb)
    attrs, trials = view.get_all_studies()[0].system_attrs, view.get_all_trials(study)
    shown = [serialize_frozen_trial(study, trial, attrs) for trial in trials]
    assert shown == [serialize_frozen_trial(study, trial, dict(attrs)) for trial in trials]
    assert [len(trial["note"]["body"]) > 0 for trial in shown] == [True, True]
    assert [old["filename"] for old in shown[1]["artifacts"]] == ["old.png"]
    attrs.by_trial.clear()
    (unknown, _) = [serialize_frozen_trial(study, trial, attrs) for trial in trials]
    assert unknown["note"]["body"] == "", "it was searched for"
