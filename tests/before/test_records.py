"""Studies of before say what they said, go on where they were, and are stored as they were.

Where something is trained, it comes to the same to the last bit on the machine that recorded it,
with the same version of torch; elsewhere it only comes to an end.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from before.machine import machine
from before.stored import (
    ALONE,
    EXPORT,
    FINALIZE,
    RESUMED,
    SAID,
    SECONDS_BEFORE,
    bundle,
    exported,
    read,
    said,
)
from before.studies import BUNDLES, STUDIES
from support import Ended

Hpo = Callable[..., str]
BEFORE = read(SAID)
SAME = BEFORE["machine"] == machine()
OF_THE_HOUR = {
    "made", "seconds", "seconds_left", "timeline", "picture", "worker", "git", "versions",
    "environments", "shown", "deadline", "base", "where",
}  # fmt: skip
"""What is never the same twice."""
ADDED = {"cause"}
"""What trials keep besides, since these were stored."""


A_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def without(given: Any, keys: set[str]) -> Any:
    """The tree without the values of these keys."""
    if isinstance(given, dict):
        return {key: without(value, keys) for key, value in given.items() if key not in keys}
    return [without(value, keys) for value in given] if isinstance(given, list) else given


def lasting(given: Any) -> Any:
    """The tree without what is not the same twice, and without what is new in a trial."""
    if isinstance(given, dict):
        known = {key: lasting(value) for key, value in given.items() if key not in OF_THE_HOUR}
        if "user_attrs" in known:
            known["user_attrs"] = without(known["user_attrs"], ADDED)
        return known
    if isinstance(given, list):
        return [lasting(value) for value in given]
    return "a time" if isinstance(given, str) and A_TIME.match(given) else given


def printed(hpo: Hpo, name: str, *where: str) -> Any:
    """What is said of a study, without what is not the same twice."""
    return lasting(said(lambda *words: hpo(*words, *where), [name])[name])


def before(name: str, state: dict[str, Any] = BEFORE) -> Any:
    return lasting(state[name])


def end_of(hpo: Hpo, name: str, *where: str) -> Any:
    """Resume the study, work on it to its end, and say what has become of it."""
    hpo("resume", name, "--workers", "0", *where)
    assert "the budget is used up" in hpo("worker", name, *ALONE, *where)
    return printed(hpo, name, *where)


# ---- looking ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_said_of_a_study_is_what_was_said(name: str, hpo: Hpo) -> None:
    report, now = BEFORE[name]["report"], json.loads(hpo("status", name, "--json"))
    late = {"made", "seconds_left"}
    assert without(said(hpo, [name])[name], late) == without(BEFORE[name], late)
    assert without(now, late) == {key: report[key] for key in now if key not in late}
    for trial in report["trials"]:
        assert json.loads(hpo("show", name, str(trial["number"]), "--json")) == trial
    if report["best"]:
        assert json.loads(hpo("best", name, "--json")) == report["best"]


def test_every_screen_takes_what_was_stored(hpo: Hpo, tmp_path: Path) -> None:
    assert all(name in hpo("list") for name in STUDIES)
    assert "unet" in hpo("best", "searched")
    assert "planted" in hpo("show", "searched", "1")
    assert "1 pruned trial finished" in hpo("diagnose", "searched")
    assert "folded" in hpo("report", *STUDIES, "--format", "md", "--out", "-")
    hpo("report", "searched", "--out", "page.html")
    assert "searched" in (tmp_path / "page.html").read_text()


# ---- going on --------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESUMED)
def test_a_trial_goes_on_from_its_checkpoint(name: str, hpo: Hpo) -> None:
    """Which says that it was trained for much longer than it was."""
    (waiting,) = [t for t in BEFORE[name]["report"]["trials"] if t["state"] == "waiting"]
    now = end_of(hpo, name)
    record = json.loads(hpo("show", name, str(waiting["number"]), "--json"))
    assert record["state"] == "complete"
    assert SECONDS_BEFORE < record["seconds"] < SECONDS_BEFORE + 60
    assert len(record["history"]) == 4
    assert record["history"][0].keys() == {
        "epoch", "train_loss", "val_mse", "val_psnr", "learning_rate",
    }  # fmt: skip
    assert now["report"]["state"] == "done"
    if SAME:
        assert now == before(name, BEFORE["resumed"])


def test_a_paused_study_is_worked_on_to_its_end(hpo: Hpo) -> None:
    assert "paused: the cores are needed until noon" in hpo("status", "paused")
    assert end_of(hpo, "paused")["report"]["counts"]["complete"] == 4


@pytest.mark.parametrize("name", BUNDLES)
def test_a_second_look_is_refused(name: str, call: Callable[..., Ended]) -> None:
    trial = read(bundle(name) / "scores.json")["winner"]["trial"]
    assert f"by ada@here: trial {trial}" in call("finalize", name, *FINALIZE).line


def test_a_second_finalize_comes_to_the_same_and_is_recorded(hpo: Hpo) -> None:
    then = read(bundle("unet") / "scores.json")
    now = json.loads(hpo("finalize", "unet", *FINALIZE, "--again", "--json"))
    assert now.keys() == then.keys()
    assert now["looks"][0] == then["looks"][0]
    assert len(now["looks"]) == 2
    if SAME:
        for same in ("study", "contest", "winner", "tested"):
            assert now[same] == then[same]


def test_a_study_that_was_never_finalized_is_now(hpo: Hpo, tmp_path: Path) -> None:
    assert "wrote searched.denoiser" in hpo("finalize", "searched", "--now", *FINALIZE)
    assert (tmp_path / "searched.denoiser" / "model.onnx").is_file()


def test_a_trial_comes_to_the_same_again(call: Callable[..., Ended], hpo: Hpo) -> None:
    """By the command that says so."""
    for trial in (2, 3, 4):
        found = call("reproduce", "searched", str(trial), "--device", "cpu")
        assert found.code == 0 or not SAME, found
        assert "identical" in found.out or not SAME, found.out


# ---- exports, and what is stored -------------------------------------------------------


def test_an_export_of_before_is_a_study_again(hpo: Hpo, empty: str) -> None:
    """Its checkpoint lies where it lay, and the trial goes on from it."""
    where = ("--storage", empty)
    assert "imported searched with 7 trials" in hpo("import", str(EXPORT), *where)
    assert printed(hpo, "searched", *where) == before("searched")
    now = end_of(hpo, "searched", *where)
    assert json.loads(hpo("show", "searched", "6", "--json", *where))["seconds"] > SECONDS_BEFORE
    if SAME:
        assert now == before("searched", BEFORE["resumed"])


@pytest.mark.parametrize("name", BUNDLES)
def test_a_study_of_today_is_stored_as_it_was(name: str, hpo: Hpo, empty: str) -> None:
    """Records under the same names, and with the same values."""
    where = ("--storage", empty)
    Path("study.yaml").write_text(BEFORE[name]["report"]["file"])
    hpo("create", "study.yaml", *where)
    hpo("worker", name, *ALONE, *where)
    then = comparable(BEFORE[name]["export"])
    now = comparable(exported(lambda *words: hpo(*words, *where), name))
    assert keys_of(now) == keys_of(then)
    if SAME:
        assert lasting(now) == lasting(then)


def comparable(study: dict[str, Any]) -> Any:
    """Without what a finalize has added, and the names of its pictures, which it alone has."""
    uid = study["attributes"]["data"]["uid"]
    study = json.loads(json.dumps(study).replace(uid, "its-files"))
    study["attributes"].pop("looks", None)
    for trial in study["trials"]:
        trial["system_attrs"] = {key.split(":")[0]: None for key in trial["system_attrs"]}
    return study


def keys_of(given: Any) -> Any:
    """The same tree without its values."""
    if isinstance(given, dict):
        return {key: keys_of(value) for key, value in given.items()}
    return [keys_of(value) for value in given] if isinstance(given, list) else None
