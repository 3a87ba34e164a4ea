"""Renaming and deleting through the dashboard."""

from dashboard.conftest import ADMIN, VIEWER, Browser
from support import Create

from autoencoder_hpo.showcase.store import study_directory
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.leases import ownership
from autoencoder_hpo.storage.study import StudyHandle, names, open_study
from autoencoder_hpo.worker.context import WorkerContext


def test_a_study_with_a_running_worker_stays(
    browser: Browser, trained: StudyHandle, storage: Storage, context: WorkerContext
) -> None:
    claimed = claim(trained, context.worker)
    assert isinstance(claimed, Claimed)
    study = trained.optuna._study_id
    for method, path, body in [
        ("DELETE", f"/api/studies/{study}", {}),
        ("POST", f"/api/studies/{study}/rename", {"study_name": "other"}),
    ]:
        answer = browser(method, path, ADMIN, json=body)
        assert answer.status_code == 409
        assert "tiny has running workers (here:1); stop them first" in answer.json["reason"]
    assert names(storage) == ["tiny"]
    assert ownership(storage, claimed.trial_id, context.worker).owner == "mine"


def test_deleting_leaves_nothing_behind(
    browser: Browser, trained: StudyHandle, storage: Storage, context: WorkerContext
) -> None:
    settings, uid = context.settings, trained.data.uid
    folder = study_directory(settings, "tiny", uid)
    assert list(folder.iterdir())
    assert list((settings.home / "artifacts").iterdir())
    answer = browser("DELETE", f"/api/studies/{trained.optuna._study_id}", ADMIN, json={})
    assert answer.status_code == 204
    assert names(storage) == []
    assert not folder.exists()
    assert not list((settings.home / "artifacts").iterdir())
    again = browser("DELETE", f"/api/studies/{trained.optuna._study_id}", ADMIN, json={})
    assert again.status_code == 404


def test_a_renamed_study_keeps_everything(
    browser: Browser, trained: StudyHandle, storage: Storage, context: WorkerContext
) -> None:
    study = trained.optuna._study_id
    answer = browser("POST", f"/api/studies/{study}/rename", ADMIN, json={"study_name": "renamed"})
    assert (answer.status_code, answer.json["study_name"]) == (201, "renamed")
    renamed = open_study(storage, "renamed")
    assert renamed.optuna._study_id == study
    assert renamed.trials()[0].user_attrs == trained.trials()[0].user_attrs
    assert "renamed" in browser("GET", "/api/studies", VIEWER).text
    assert browser("GET", f"/csv/{study}", VIEWER).status_code == 200
    assert isinstance(claim(trained, context.worker), Claimed)  # a worker that has it open


def test_a_renamed_study_is_told_with_its_direction(browser: Browser, create: Create) -> None:
    study = create(search={"objective": "val_psnr"}).number
    answer = browser("POST", f"/api/studies/{study}/rename", ADMIN, json={"study_name": "renamed"})
    assert answer.json["directions"] == ["maximize"]


def test_a_wrong_name_is_refused(browser: Browser, trained: StudyHandle) -> None:
    path = f"/api/studies/{trained.optuna._study_id}/rename"
    for name in ("", "Capital", "../up", None, 7, "x" * 64):
        assert browser("POST", path, ADMIN, json={"study_name": name}).status_code == 400, name
    assert browser("POST", path, ADMIN, data="not json").status_code == 400
    assert browser("POST", "/api/studies/99/rename", ADMIN, json={}).status_code == 404
