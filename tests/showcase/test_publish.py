"""What a trial and a study show in the dashboard, stored with real trials in a real database."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna_dashboard
import pytest
import torch
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import FrozenTrial
from PIL import Image
from support import Create, inputs_of

from autoencoder_hpo.showcase import study as publish
from autoencoder_hpo.showcase.preview_images import Probes, choose_probes
from autoencoder_hpo.showcase.store import CROPS, Directory, open_store, trial_artifact
from autoencoder_hpo.showcase.study import refresh
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.training.steps import Steps
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial


def run(opened: StudyHandle, context: WorkerContext, trials: int = 1) -> list[FrozenTrial]:
    data = inputs_of(opened.file, context.settings).prepared
    for _ in range(trials):
        claimed = claim(opened, context.worker)
        assert isinstance(claimed, Claimed), claimed
        run_trial(opened, claimed, data, context, cancelled=lambda: False)
    return opened.trials()


def probes_of(opened: StudyHandle, context: WorkerContext) -> Probes:
    return choose_probes(inputs_of(opened.file, context.settings).prepared[0])


def note_of(opened: StudyHandle, trial: FrozenTrial) -> str:
    attrs = opened.storage.optuna.get_study_system_attrs(opened.optuna._study_id)
    return optuna_dashboard._note.get_note_from_system_attrs(attrs, trial._trial_id)["body"]


def pictures_of(
    opened: StudyHandle, context: WorkerContext, trial: FrozenTrial
) -> dict[str, Image.Image]:
    """By file name, as the dashboard finds them."""
    found = {}
    for meta in get_all_artifact_meta(trial, storage=opened.storage.optuna):
        assert meta.mimetype == "image/png"
        with open_store(context.settings).open_reader(meta.artifact_id) as file:
            found[meta.filename] = Image.open(io.BytesIO(file.read()))
    return found


def test_a_complete_trial_shows_pictures_curves_and_a_note(
    create: Create, context: WorkerContext
) -> None:
    opened = create()
    (trial,) = run(opened, context)
    pictures = pictures_of(opened, context, trial)
    assert set(pictures) == {"restored.png", "curves.png"}
    assert all(min(picture.size) > 100 for picture in pictures.values())
    note = note_of(opened, trial)
    psnr = trial.user_attrs["scores"]["val_psnr"]
    assert note.startswith(f"**{psnr:.2f} dB**, ")
    assert f"| `model.mlp.width` | {trial.params['model.mlp.width']} |" in note
    uid = opened.data.uid
    for file in pictures:
        assert f"](/pictures/{trial_artifact(uid, 0, file)}.png)" in note
    assert (trial.user_attrs["worker"], trial.user_attrs["device"]) == ("here:1", "cpu")


def test_a_pruned_trial_shows_as_much_and_says_why(create: Create, context: WorkerContext) -> None:
    rates = {"choice": [{"kind": "sgd", "learning_rate": 1e-9}, {"kind": "adam"}]}
    opened = create(
        task={"epochs": 4},
        search={
            "pruner": {"kind": "median", "startup_trials": 1, "warmup_epochs": 0},
            "start": [{"optimizer": {"kind": "adam"}}, {"optimizer": {"kind": "sgd"}}],
        },
        trial={"optimizer": rates},
    )
    trial = run(opened, context, trials=2)[1]
    assert trial.state.name == "PRUNED"
    assert set(pictures_of(opened, context, trial)) == {"restored.png", "curves.png"}
    note = note_of(opened, trial)
    assert note.startswith("**Pruned:** unpromising after epoch")
    assert f"It had reached {trial.user_attrs['val_psnr']:.2f} dB" in note
    assert trial.user_attrs["psnr_gain"] is not None


def test_a_trial_without_a_finite_epoch_still_has_a_note(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(self: Training) -> Steps[EpochResult]:
        yield from ()
        result = EpochResult(1, float("nan"), float("nan"), float("nan"), 0.1)
        self.history.append(result)
        return result

    monkeypatch.setattr(Training, "epoch", first)
    opened = create()
    (trial,) = run(opened, context)
    assert note_of(opened, trial).startswith("**Pruned:** the loss was not finite in epoch 1.")
    assert pictures_of(opened, context, trial) == {}


def test_a_failed_trial_says_why(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a <b>bug</b> in [this](http://there)")

    monkeypatch.setattr("autoencoder_hpo.worker.trial.build_training", broken)
    opened = create()
    (trial,) = run(opened, context)
    note = note_of(opened, trial)
    assert note.startswith("**Failed:** RuntimeError: a \\<b\\>bug")
    assert "[this](" not in note


class Full:
    """A store on a full disk."""

    def write(self, artifact_id: str, content_body: object) -> None:
        raise OSError(28, "No space left on device")


def test_a_store_that_takes_nothing_costs_no_result(
    create: Create,
    context: WorkerContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("autoencoder_hpo.worker.trial.open_store", lambda settings: Full())
    opened = create()
    (trial,) = run(opened, context)
    assert trial.state.name == "COMPLETE"
    assert get_all_artifact_meta(trial, storage=opened.storage.optuna) == []
    assert "No space left" in trial.user_attrs["no_pictures"]
    assert "No space left" in note_of(opened, trial)
    assert "no pictures of trial 0" in caplog.text


def test_a_read_only_store_is_said_by_its_name(create: Create, context: WorkerContext) -> None:
    (context.settings.home).mkdir(parents=True)
    (context.settings.home / "artifacts").write_text("in the way of the folder")
    opened = create()
    (trial,) = run(opened, context)
    assert trial.state.name == "COMPLETE"
    assert "artifacts" in trial.user_attrs["no_pictures"]


# ---- the study -------------------------------------------------------------------------


def study_attrs(opened: StudyHandle) -> dict[str, Any]:
    return opened.storage.optuna.get_study_system_attrs(opened.optuna._study_id)


def gallery_of(opened: StudyHandle) -> list[str]:
    metas = get_all_artifact_meta(opened.optuna)
    return [meta.artifact_id for meta in metas if meta.filename == "gallery.png"]


def test_the_study_shows_its_best_trials_on_the_same_crops(
    create: Create, context: WorkerContext
) -> None:
    opened = create()
    run(opened, context, trials=3)
    store, probes = open_store(context.settings), probes_of(opened, context)
    refresh(opened, store=store, probes=probes, last=True)
    (gallery,) = gallery_of(opened)
    with store.open_reader(gallery) as file:
        assert Image.open(file).height > 5 * 100  # clean, noisy and three trials
    plots = optuna_dashboard._custom_plot_data.get_plotly_graph_objects(study_attrs(opened))
    assert set(plots) == {"psnr-of-trials", "psnr-against-size"}
    history = json.loads(plots["psnr-of-trials"])
    noisy = opened.data.noisy.psnr
    affine = opened.data.affine.psnr
    assert [line["y0"] for line in history["layout"]["shapes"]] == [noisy, affine]
    assert history["data"][0]["x"] == [0, 1, 2]
    note = optuna_dashboard.get_note(opened.optuna)
    assert "3 of 4 trials" in note
    assert f"| affine filter | {affine:.2f} dB" in note
    assert f"](/pictures/{gallery}.png?1)" in note


def test_it_is_made_anew_once_for_each_change_and_not_too_often(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = create(search={"trials": 9})
    store, probes = open_store(context.settings), probes_of(opened, context)
    refresh(opened, store=store, probes=probes)
    assert opened.record().shown.finished == 0  # nothing has finished
    seen = []
    for last in (False, False, True):  # the second change comes too soon, the last one counts
        run(opened, context)
        for _ in range(2):
            refresh(opened, store=store, probes=probes, last=last)
        seen.append(opened.record().shown.finished)
    assert seen == [1, 1, 3]
    monkeypatch.setattr(publish, "EVERY_S", 0)
    run(opened, context)
    refresh(opened, store=store, probes=probes)
    assert opened.record().shown.finished == 4
    assert len(gallery_of(opened)) == 1


def test_a_page_fetches_a_new_gallery_and_the_old_file_is_replaced(
    create: Create, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "EVERY_S", 0)
    opened = create()
    store, probes = open_store(context.settings), probes_of(opened, context)
    assert isinstance(store, Directory)
    seen = set()
    for _ in range(3):
        run(opened, context)
        refresh(opened, store=store, probes=probes)
        seen |= set(re.findall(r"/pictures/\S+png\?\d+", optuna_dashboard.get_note(opened.optuna)))
    assert len(seen) == 3
    assert (
        len(list(store.path.iterdir())) == 3 + 3 * 3
    )  # the study's gallery and its crops, and three files a trial


def test_only_one_worker_draws_at_a_time(create: Create, context: WorkerContext) -> None:
    opened = create()
    run(opened, context)
    with opened.storage.locked(f"show {opened.name}"):
        refresh(opened, store=open_store(context.settings), probes=probes_of(opened, context))
        assert opened.record().shown.finished == 0


def test_a_missing_strip_leaves_its_row_out(create: Create, context: WorkerContext) -> None:
    opened = create()
    run(opened, context, trials=2)
    store, probes = open_store(context.settings), probes_of(opened, context)
    uid = opened.data.uid
    store.remove(trial_artifact(uid, 0, CROPS))
    store.write(trial_artifact(uid, 1, CROPS), io.BytesIO(b"damaged"))
    refresh(opened, store=store, probes=probes, last=True)
    assert gallery_of(opened) == []
    assert "2 of 4 trials" in optuna_dashboard.get_note(opened.optuna)


def test_a_long_text_that_became_short_leaves_no_rest(create: Create) -> None:
    opened = create()
    for text in ("a" * 120_000, "short"):
        publish.write_note(opened, "dashboard:", text)
        assert optuna_dashboard.get_note(opened.optuna) == text


def test_pictures_follow_a_settings_change(context: WorkerContext, tmp_path: Path) -> None:
    elsewhere = replace(context.settings, artifacts=str(tmp_path / "elsewhere"))
    assert open_store(elsewhere) == Directory(tmp_path / "elsewhere")
    assert torch.get_num_threads() == 1
