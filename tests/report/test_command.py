"""`autoencoder-hpo report`, on a real study in a real database."""

import io
import json
import re
import sys
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from report.examples import contents
from support import Ended, study_file

from autoencoder_hpo.cli import main
from autoencoder_hpo.errors import DiskError
from autoencoder_hpo.report import target
from autoencoder_hpo.report.formats import render
from autoencoder_hpo.report.gathering import gather
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.store import CROPS, NOISY, crops_artifact, open_store, trial_artifact
from autoencoder_hpo.storage.study import StudyHandle, create_study

NOW = datetime(2026, 1, 2, tzinfo=UTC)
Call = Callable[..., Ended]


@pytest.fixture
def call(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process, on the module's database."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(here)

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["autoencoder-hpo", "report", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        out, err = capsys.readouterr()
        return Ended(code if isinstance(code, int) else 0 if code is None else 1, out, err)

    return run


def test_the_page_of_a_grid(call: Call, finished: StudyHandle, here: Path) -> None:
    out = call("tiny").good()
    page = (here / "tiny.report.html").read_text()
    assert re.search(r"wrote tiny.report.html \(2\.\d MB\)", out)
    assert "tiny: validation PSNR" in out
    assert "learning_rate ↓ width →" in out
    best = finished.best()
    assert best is not None
    assert f"trial {best.number}, an mlp of" in page
    assert page.count('class="best"') == 2  # of PSNR and of MSE
    assert best.user_attrs["run"]["data_hash"] in page
    call("tiny").good()  # an older report is replaced
    assert [path.name for path in here.iterdir()] == ["tiny.report.html"]


def test_the_gallery_has_every_best_trial_on_the_same_crops(
    finished: StudyHandle, home: Settings
) -> None:
    given = gather(finished, store=open_store(home), now=NOW)
    titles = [strip.title for strip in given.gallery.strips]
    assert titles == ["clean", "noisy", *(f"trial {trial.number}" for trial in given.best)]
    assert {len(strip.crops) for strip in given.gallery.strips} == {6}
    for strip in given.gallery.strips:
        encoded = strip.crops[0].removeprefix("data:image/png;base64,")
        assert Image.open(io.BytesIO(b64decode(encoded))).size == (8, 8)
    assert given.gallery.panel is not None
    page = render([given], "html")
    assert page.count("<img ") == 6 * 6 + 1


def test_pictures_that_are_gone_are_left_out(
    finished: StudyHandle, home: Settings, tmp_path: Path
) -> None:
    elsewhere = open_store(replace(home, artifacts=str(tmp_path / "store")))
    for artifact in (
        crops_artifact(finished.data.uid, NOISY),
        trial_artifact(finished.data.uid, 0, CROPS),
    ):
        elsewhere.write(artifact, io.BytesIO(b"damaged"))
    given = gather(finished, store=elsewhere, now=NOW)
    assert (given.gallery.strips, given.gallery.panel) == ([], None)
    assert "No pictures of complete trials" in render([given], "html")


@pytest.mark.parametrize("form", ["md", "json", "csv"])
def test_other_formats(call: Call, finished: StudyHandle, here: Path, form: str) -> None:
    assert f"wrote tiny.report.{form} (" in call("tiny", "--format", form).good()
    text = (here / f"tiny.report.{form}").read_text()
    assert call("tiny", "--out", f"again.{form}").good()
    again = (here / f"again.{form}").read_text()
    assert len(again.splitlines()) == len(text.splitlines())
    printed = call("tiny", "--format", form, "--out", "-").good()
    assert len(printed.splitlines()) == len(text.splitlines())
    if form == "md":
        assert "## The grid" in text
        assert "| validation PSNR: learning\\_rate ↓ width → | 8 | 32 |" in text
        assert text.count(" **") + text.count("| **") >= 2
    if form == "json":
        assert json.loads(text)["grid"]["across_values"] == [8, 32]


def test_several_names_are_compared(call: Call, finished: StudyHandle, here: Path) -> None:
    create_study(finished.storage, study_file(name="other"), finished.data)
    call("tiny", "other", "tiny").good()
    page = (here / "comparison.report.html").read_text()
    assert "tiny · other" in page


def test_one_line_for_every_mistake(call: Call, finished: StudyHandle, here: Path) -> None:
    assert "not in" in call("nothing").line
    (here / "folder.html").mkdir()
    assert "folder.html: is a folder" in call("tiny", "--out", "folder.html").line
    (here / "README.md").write_text("# mine")
    line = call("tiny", "--format", "md", "--out", "README.md").line
    assert line == "README.md: is there already and is no report; choose another --out"
    assert (here / "README.md").read_text() == "# mine"
    assert "a report's name ends with one of" in call("tiny", "--out", "weights.pt").line
    assert "ends with .md" in call("tiny", "--format", "md", "--out", "a.html").line
    line = call("tiny", "--out", "missing/a.html").line
    assert line == "missing/a.html: No such file or directory; choose another --out"
    assert call("tiny", "--format", "pdf").code == 2
    assert call().code == 2


def test_a_report_of_every_format_is_known_as_one(tmp_path: Path) -> None:
    for form in target.FORMATS:
        path = tmp_path / f"a.{form}"
        size = target.write(path, render([contents([])], form))
        assert size == path.stat().st_size
        target.refuse(path, form)
        path.write_text("something else")
        with pytest.raises(DiskError, match="is no report"):
            target.refuse(path, form)
