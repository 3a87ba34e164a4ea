"""The commands: what they print, their exit codes, and one line for every mistake."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna_dashboard
import pytest
import sqlalchemy
import torch
import yaml
from optuna.trial import TrialState
from PIL import Image
from support import Create, Ended, inputs_of, study_text, trial_of

from autoencoder_hpo.dashboard.view import study_facts
from autoencoder_hpo.showcase.preview_images import choose_probes
from autoencoder_hpo.showcase.store import open_store
from autoencoder_hpo.showcase.study import refresh
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.study import StudyHandle, halt_study, open_study
from autoencoder_hpo.storage.study_records import Halt
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial

Call = Callable[..., Ended]
COMMANDS = [
    "run", "check", "create", "resume", "worker", "list", "status", "best", "show", "delete",
    "export", "import", "doctor", "schema", "pause", "stop", "reproduce", "diagnose", "finalize",
    "dashboard", "migrate",
]  # fmt: skip


def write(folder: Path, text: str | None = None, name: str = "tiny.yaml", **changes: object) -> str:
    (folder / name).write_text(study_text(**changes) if text is None else text)
    return name


@pytest.fixture
def trained(create: Create, context: WorkerContext) -> StudyHandle:
    """A study with one complete trial, one that failed, and budget left."""
    opened = create()
    claimed = claim(opened, "here:1")
    assert isinstance(claimed, Claimed)
    data = inputs_of(opened.file, context.settings).prepared
    run_trial(opened, claimed, data, context, cancelled=lambda: False)
    failed = claim(opened, "here:1")
    assert isinstance(failed, Claimed)
    trial_of(opened, failed).set_user_attr("reason", "it broke")
    opened.optuna.tell(trial_of(opened, failed), state=TrialState.FAIL)
    return opened


# ---- help ------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    out = subprocess.check_output([sys.executable, "-m", "autoencoder_hpo", "--help"], text=True)
    assert all(f"\n│ {command} " in out for command in COMMANDS), out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(call: Call, command: str) -> None:
    out = " ".join(call(command, "--help").good().split())
    assert f"Example: autoencoder-hpo {command}" in out


@pytest.mark.parametrize(
    "words", [["nonsense"], ["run"], ["run", "x.yaml", "--workers", "-1"], ["show", "a", "b"]]
)
def test_wrong_usage_is_exit_code_2(call: Call, words: list[str]) -> None:
    assert call(*words).code == 2


# ---- looking at studies ----------------------------------------------------------------


def test_status_json_has_what_scripts_need(call: Call, trained: StudyHandle) -> None:
    values = json.loads(call("status", "tiny", "--json").good())
    assert values["study"] == "tiny"
    assert values["state"] == "waiting"
    assert values["counts"] == {
        "complete": 1,
        "pruned": 0,
        "failed": 1,
        "running": 0,
        "waiting": 0,
    }
    assert values["budget"] == {"trials": 4, "timeout": None}
    best = values["best"]
    assert best["number"] == 0
    assert best["psnr_gain"] == pytest.approx(best["val_psnr"] - best["noisy_psnr"])
    for key in ("val_mse", "params", "config", "parameters"):
        assert best[key]


def test_status_list_best_and_show_read_well(call: Call, trained: StudyHandle) -> None:
    status = call("status", "tiny").good()
    assert "tiny: waiting" in status
    assert "1 of 4 trials (1 complete, 0 pruned, 1 failed)" in status
    assert "noisy input" in status
    assert "best denoiser (trial 0)" in status
    assert "1/4" in call("list").good()
    assert [study["study"] for study in json.loads(call("list", "--json").good())] == ["tiny"]
    best = call("best", "tiny").good()
    assert "learning_rate:" in best
    assert "restored.png" in best
    assert json.loads(call("best", "tiny", "--json").good())["number"] == 0
    shown = call("show", "tiny", "0").good()
    assert "val psnr" in shown
    assert re.search(r"hidden units +\d+% dead \(\d+% of the worst layer\)", shown)
    assert json.loads(call("show", "tiny", "0", "--json").good())["health"]["images"] > 0
    assert "it broke" in call("show", "tiny", "1").good()
    assert json.loads(call("show", "tiny", "1", "--json").good())["reason"] == "it broke"


def test_status_sets_the_best_beside_the_affine_filter(call: Call, trained: StudyHandle) -> None:
    """Three epochs of a tiny network are worse than a formula, and that is said."""
    values = json.loads(call("status", "tiny", "--json").good())
    affine, best = values["affine"], values["best"]
    assert affine["psnr"] > values["noisy"]["psnr"]
    assert affine["sees"] == "the whole image"
    assert best["affine_gain"] == pytest.approx(best["val_psnr"] - affine["psnr"])
    assert best["affine_gain"] < 0
    status = " ".join(call("status", "tiny").good().split())
    assert f"│ affine filter │ {affine['mse']:.5f} │ {affine['psnr']:.2f} dB" in status
    assert f"{-best['affine_gain']:.2f} dB below the affine filter)" in status
    assert "The best trial does not beat the affine filter" in status


def test_a_study_of_an_older_version_is_shown_without_the_affine_filter(
    call: Call, trained: StudyHandle, context: WorkerContext
) -> None:
    data = {key: value for key, value in trained.data.as_record().items() if key != "affine"}
    trained.storage.write_attrs("study_user", trained.number, {"data": data})
    values = json.loads(call("status", "tiny", "--json").good())
    assert values["affine"] is None
    assert values["best"]["affine_gain"] is None
    status = call("status", "tiny").good()
    assert "below the noisy input)" in status
    assert "affine" not in status
    assert "tiny" in call("list").good()
    call("best", "tiny").good()
    older = open_study(trained.storage, "tiny")
    inputs = inputs_of(older.file, context.settings).prepared
    refresh(older, store=open_store(context.settings), probes=choose_probes(inputs[0]), last=True)
    assert "affine" not in optuna_dashboard.get_note(older.optuna)
    assert study_facts(older.optuna.user_attrs)["images, train"] == 200


def test_an_empty_database_says_what_to_do(call: Call) -> None:
    assert "no studies yet; `autoencoder-hpo run" in call("list").good()


def test_what_is_not_there_is_one_line(call: Call, create: Create) -> None:
    create()
    for command in (["status"], ["best"], ["delete", "-y"], ["resume"], ["show"]):
        words = [*command, "nope", *(["0"] if command == ["show"] else [])]
        assert call(*words).line.startswith("study nope: not in postgresql+psycopg2://")
        assert "(there are: tiny)" in call(*words).line
    assert call("show", "tiny", "7").line == "study tiny: no trial 7; it has none yet"
    assert call("best", "tiny").line == "study tiny: no trial is complete yet"


def test_delete_asks_and_removes_files_too(
    call: Call, trained: StudyHandle, tmp_path: Path
) -> None:
    assert list((tmp_path / "home" / "trials").iterdir())
    assert call("delete", "tiny").code == 1  # nobody answers
    assert "tiny" in call("list").good()
    assert call("delete", "tiny", "--yes").good() == "deleted tiny\n"
    assert not list((tmp_path / "home" / "trials").iterdir())
    assert "tiny" not in call("list").good()


# ---- creating --------------------------------------------------------------------------


def test_create_stores_the_study_and_run_without_workers_agrees(call: Call, tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "created tiny; `autoencoder-hpo worker tiny`" in call("create", path).good()
    assert "a study named tiny exists already; `autoencoder-hpo resume tiny`" in (
        call("create", path).line
    )
    assert "tiny: new" in call("run", path, "--workers", "0").good()


def test_a_changed_file_is_refused_with_the_difference(call: Call, tmp_path: Path) -> None:
    call("create", write(tmp_path)).good()
    changed = write(tmp_path, trial={"batch_size": 32}, search={"trials": 9})
    line = call("run", changed, "--workers", "0").line
    assert "differs from the study tiny in the database: trial.batch_size: " in line
    assert "stored 64, given 32" in line
    assert "search.trials" not in line  # may grow
    grown = write(tmp_path, search={"trials": 9})
    assert "0 of 9 trials" in call("run", grown, "--workers", "0").good()


def test_resume_sets_the_budget_and_clears_a_halt(call: Call, create: Create) -> None:
    opened = create()
    halt_study(opened, Halt("stopped", "ten failures", by_hand=False))
    stopped = call("run", write(Path.cwd()), "--workers", "0")
    assert stopped.code == 1
    assert "ten failures; mend the cause, then `autoencoder-hpo resume" in stopped.err
    out = call("resume", "tiny", "--trials", "7", "--timeout", "2h", "--workers", "0").good()
    assert "0 of 7 trials" in out
    budget = json.loads(call("status", "tiny", "--json").good())["budget"]
    assert budget == {"trials": 7, "timeout": 7200.0}
    assert "30m" in call("resume", "tiny", "--timeout", "soon").line


@pytest.mark.parametrize(("command", "state"), [("pause", "paused"), ("stop", "stopped")])
def test_a_study_is_halted_by_hand(call: Call, create: Create, command: str, state: str) -> None:
    create()
    assert "resume tiny" in call(command, "tiny", "--reason", "lunch").good()
    assert f"{state}: lunch" in call("status", "tiny").good()
    assert call("run", write(Path.cwd()), "--workers", "0").code == 0
    call("resume", "tiny", "--workers", "0").good()
    assert "lunch" not in call("status", "tiny").good()
    assert "not in" in call(command, "nope").line


def test_status_hands_lost_trials_back(
    call: Call, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4: also when no worker is left to do it."""
    opened = create()
    claim(opened, "elsewhere:1")
    opened.storage.rows("update trial_heartbeats set heartbeat = heartbeat - interval '1 hour'")
    monkeypatch.setenv("AUTOENCODER_HPO_GRACE", "2")
    ended = call("status", "tiny", "--json")
    assert "trial 0 had lost its worker, and waits for another" in ended.err
    assert json.loads(ended.good())["counts"]["waiting"] == 1


def test_a_grace_that_is_no_number_is_said(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOENCODER_HPO_GRACE", "soon")
    assert "AUTOENCODER_HPO_GRACE is 'soon'; give seconds, from 1 to 86400" in call("list").line


def test_a_study_whose_creation_failed_is_not_there(
    call: Call, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it or nothing: cut off at its last record."""

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "write_attrs", cut_off)
        with pytest.raises(KeyboardInterrupt):
            create()
    assert "not in" in call("status", "tiny").line
    call("create", write(Path.cwd())).good()


def test_a_trial_is_trained_again_to_the_same(
    call: Call, create: Create, context: WorkerContext
) -> None:
    opened = create(search={"trials": 1})
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed)
    data = inputs_of(opened.file, context.settings).prepared
    run_trial(opened, claimed, data, context, cancelled=lambda: False)
    assert "identical in all 3 epochs" in call("reproduce", "tiny", "0").good()

    trial = opened.trials()[0]
    run = {**trial.user_attrs["run"], "cpu": "another"}
    history = trial.user_attrs["history"]
    history[2]["val_mse"] *= 1.0001
    opened.storage.write_attrs("trial_user", trial._trial_id, {"run": run, "history": history})
    out = call("reproduce", "tiny", "0").good()  # elsewhere, and close
    assert "3 epochs, not identical: best PSNR +0.000 dB" in out
    assert "differs: cpu: another then" in out

    opened.storage.write_attrs("trial_user", trial._trial_id, {"run": {**run, "seed": 1}})
    history[2]["val_psnr"] += 1.0
    opened.storage.write_attrs("trial_user", trial._trial_id, {"history": history})
    ended = call("reproduce", "tiny", "0")
    assert "trial 0 does not come to the same again" in ended.line
    assert "no trial 7" in call("reproduce", "tiny", "7").line


def test_a_trial_without_a_curve_cannot_be_trained_again(call: Call, create: Create) -> None:
    opened = create()
    claim(opened, "here:1")
    assert "trial 0 has no stored curve: it is running" in call("reproduce", "tiny", "0").line


def test_start_configs_are_tried_first(call: Call, tmp_path: Path, storage: object) -> None:
    start = [{"model": {"kind": "mlp", "width": 17}}]
    call("create", write(tmp_path, search={"start": start})).good()
    assert '"waiting": 1' in call("status", "tiny", "--json").good()


# ---- files -----------------------------------------------------------------------------


def test_check_says_what_a_study_spans(call: Call, tmp_path: Path) -> None:
    out = call("check", write(tmp_path)).good()
    assert "tiny: good; 2 parameters, 25 architectures" in out
    assert "optimizer.adam.learning_rate" in out


def test_schema_is_json(call: Call) -> None:
    assert json.loads(call("schema").good())["properties"]["trial"]


def test_doctor_finds_nothing_wrong_here(call: Call) -> None:
    out = call("doctor").good()
    assert "problem" not in out
    for what in ("python", "packages", "device", "home", "disk", "database"):
        assert f" {what} " in out


def test_doctor_says_what_to_do(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("in the way")
    monkeypatch.setenv("AUTOENCODER_HPO_DATA", str(tmp_path / "nowhere"))
    ended = call("doctor", "--storage", "postgresql://ada@127.0.0.1:1/x")
    assert ended.code == 1
    assert "AUTOENCODER_HPO_HOME" in ended.out
    assert "AUTOENCODER_HPO_DATA must name one" in ended.out
    assert "is PostgreSQL running?" in ended.out


def test_a_study_moves_to_another_database(
    call: Call, trained: StudyHandle, tmp_path: Path
) -> None:
    before = json.loads(call("status", "tiny", "--json").good())
    claim(trained, "here:1")  # a running trial waits in the copy
    assert "wrote tiny with 3 trials" in call("export", "tiny", "tiny.json.gz").good()
    elsewhere = ["--storage", f"sqlite:///{tmp_path}/other.db"]
    assert "imported tiny with 3 trials" in call("import", "tiny.json.gz", *elsewhere).good()
    after = json.loads(call("status", "tiny", "--json", *elsewhere).good())
    assert after["counts"].pop("waiting") == 1
    before["counts"].pop("waiting")
    assert after == before
    assert "exists already" in call("import", "tiny.json.gz").line


@pytest.mark.parametrize("content", [b"", b"not gzip", b"\x1f\x8b\x08 broken"])
def test_what_is_no_export_is_one_line(call: Call, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json.gz").write_bytes(content)
    assert "x.json.gz: not a study export" in call("import", "x.json.gz").line
    assert call("import", "none.json.gz").line == "none.json.gz: there is no such file"


def test_an_export_that_cannot_be_written_is_one_line(call: Call, create: Create) -> None:
    create()
    assert "choose another place" in call("export", "tiny", "/no/such/folder/x.json.gz").line


# ---- bad input, each answered with one line and nothing lost ---------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "bad.yaml: "),
        ("{", "bad.yaml:1: "),
        ("- a\n- b\n", "bad.yaml:1: "),
    ],
)
def test_a_file_that_is_no_study(call: Call, tmp_path: Path, text: str, line: str) -> None:
    write(tmp_path, text, "bad.yaml")
    assert call("check", "bad.yaml").line.startswith(line)
    assert call("run", "bad.yaml").line.startswith(line)


def test_a_missing_study_file(call: Call) -> None:
    assert call("run", "none.yaml").line.startswith("none.yaml: ")


def data(**fields: object) -> dict[str, object]:
    return {"data": {"train": None, "validation": 0.2, "test": 0.2, **fields}}


def refused(call: Call, folder: Path, **fields: object) -> str:
    text = study_text()
    tree = yaml.safe_load(text)
    tree["task"]["data"] = fields
    path = write(folder, yaml.safe_dump(tree), "data.yaml")
    line = call("create", path).line
    assert "no studies yet" in call("list").good()  # nothing was left behind
    return line


def test_folders_that_cannot_be_used(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    assert "images" in refused(call, tmp_path, dataset="folder", path="images")
    folder.mkdir()
    assert "images" in refused(call, tmp_path, dataset="folder", path="images")
    for number in range(4):
        Image.new("L", (9, 9), number).save(folder / f"{number}.png")
    Image.new("RGB", (9, 9)).save(folder / "rgb.png")
    assert "set data.color to grey or rgb" in refused(
        call, tmp_path, dataset="folder", path="images"
    )
    (folder / "rgb.png").unlink()
    Image.new("L", (12, 9)).save(folder / "wide.png")
    assert "data.patch" in refused(call, tmp_path, dataset="folder", path="images")


def test_a_corrupt_image_among_good_ones_is_named_and_left_out(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 20), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "bad.png").write_bytes((folder / "1.png").read_bytes()[:60])
    tree = yaml.safe_load(study_text())
    tree["task"]["data"] = {"dataset": "folder", "path": "images", "patch": 8, "patches": 4}
    path = write(tmp_path, yaml.safe_dump(tree))
    ended = call("create", path)
    assert ended.code == 0, ended.err
    assert "bad.png: image file is truncated" in ended.err


def test_pairs_without_partners(call: Call, tmp_path: Path) -> None:
    for side, names in {"noisy": "abcd", "clean": "abce"}.items():
        (tmp_path / side).mkdir()
        for name in names:
            Image.new("L", (8, 8)).save(tmp_path / side / f"{name}.png")
    tree = yaml.safe_load(study_text())
    tree["task"] = {
        "data": {"dataset": "pairs", "noisy": "noisy", "clean": "clean"},
        "epochs": 1,
    }
    line = call("create", write(tmp_path, yaml.safe_dump(tree))).line
    assert "d" in line
    assert "partner" in line


@pytest.mark.parametrize(
    ("array", "clue"),
    [
        (np.array([["a", "b"]]), "numbers"),
        (np.zeros((2, 2, 2, 2, 2)), "[2,2,2,2,2]"),
        (np.zeros(9), "[9]"),
        (np.full((30, 8, 8), np.nan), "NaN"),
        (np.full((30, 8, 8), 7.0), "minmax"),
    ],
)
def test_arrays_that_cannot_be_used(
    call: Call, tmp_path: Path, array: np.ndarray, clue: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    assert clue in refused(call, tmp_path, dataset="array", path="a.npy")


def test_a_model_too_deep_for_the_images_is_said_when_the_study_is_created(
    call: Call, tmp_path: Path
) -> None:
    model = {"kind": "unet", "depth": {"int": [1, 5]}}
    line = call("create", write(tmp_path, trial={"model": model})).line
    assert line.startswith("tiny.yaml: trial.model: unet with depth 5 halves images of 8×8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there(call: Call, tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "use --device cpu" in call("run", path, "--device", "cuda").line
    assert "no studies yet" in call("list").good()


def test_databases_that_cannot_be_used(call: Call, database: str, tmp_path: Path) -> None:
    down = call("list", "--storage", "postgresql://ada:secret@127.0.0.1:1/x")
    assert "nothing answers there" in down.line
    assert "secret" not in down.err
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table orders (id int)"))
    engine.dispose()
    assert "holds other tables (orders)" in call("list").line


def test_sqlite_serves_one_worker(call: Call, tmp_path: Path) -> None:
    storage = ["--storage", f"sqlite:///{tmp_path}/x.db"]
    ended = call("run", write(tmp_path), "--workers", "2", *storage)
    assert ended.code == 2
    assert "SQLite serves one worker; use PostgreSQL for more" in ended.err
    assert not (tmp_path / "x.db").exists()
    assert "SQLite serves one process only" in call("create", write(tmp_path), *storage).err
