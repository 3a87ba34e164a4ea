"""What a report says of made-up studies, in each format."""

import csv
import html
import io
import json
import re
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from PIL import Image
from records import stored
from report.examples import AFFINE, FINDING, contents, mixed, renamed, trial

from autoencoder_hpo.report import Format
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.formats import render
from autoencoder_hpo.report.gallery import Gallery, Strip, crop_uri, panel_uri
from autoencoder_hpo.report.markdown import markdown
from autoencoder_hpo.report.pruning import saved
from autoencoder_hpo.report.values import values
from autoencoder_hpo.report.wording import short_names, verdict

ROOT = Path(__file__).parents[2]
EVIL = '<script>alert("1")</script>'
FORMATS: tuple[Format, ...] = ("html", "md", "json", "csv")


def without_ours(page: str) -> str:
    """The page without its own scripts, styles and packed plotly."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


# ---- the verdict -----------------------------------------------------------------------


def test_the_verdict_names_the_best_trial_and_how_far_the_study_is() -> None:
    best = trial(0, 20.0, params={"model": "unet"})
    first, second = verdict(contents([best]))
    assert first == (
        "The best denoiser of tiny is trial 0, a unet of 1,000 parameters: it restores the "
        "validation images to 20.00 dB, +4.00 dB over the noisy input and +1.00 dB over the affine "
        "filter."
    )
    assert second.startswith("The study is done: 1 of 4 trials (1 complete")
    assert "may change" in verdict(contents([best], state="running"))[1]
    assert "standstill" in verdict(contents([best], state="plateau"))[1]


def test_a_best_trial_below_the_affine_filter_is_said() -> None:
    first, second = verdict(contents([trial(0, 18.0)]))
    assert "1.00 dB below the affine filter" in first
    assert second.startswith("The best trial does not beat the affine filter")


def test_a_clean_autoencoder_has_no_gain() -> None:
    nothing = {"mse": None, "psnr": None, "ssim": None}
    clean = trial(0, 20.0)
    clean.user_attrs["scores"] |= {"psnr_gain": None, "noisy_psnr": None, "noisy_mse": None}
    given = contents([clean], data={"noisy": nothing, "affine": None})
    assert verdict(given)[0].endswith("to 20.00 dB.")
    for form in FORMATS:
        assert "20.0" in render([given], form)


def test_a_study_of_an_older_version_knows_no_affine_filter() -> None:
    given = contents([trial(0, 20.0)], data={"affine": None})
    assert verdict(given)[0].endswith("+4.00 dB over the noisy input.")
    for form in FORMATS:
        assert "affine filter" not in render([given], form)


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([], "autoencoder-hpo resume tiny"),
        ([trial(0, None, state=TrialState.FAIL, reason="no memory")], "no memory"),
        ([trial(0, None, state=TrialState.RUNNING)], "It is running"),
        ([trial(0, None, state=TrialState.WAITING)], "autoencoder-hpo resume tiny"),
        ([trial(0, 15.0, state=TrialState.PRUNED)], "0 complete, 1 pruned"),
    ],
)
def test_a_study_without_a_complete_trial_says_so(trials: list[Any], said: str) -> None:
    given = contents(trials)
    first, second = verdict(given)
    assert first.startswith("No trial of tiny is complete yet")
    assert said in f"{first} {second}"
    pages = {form: render([given], form) for form in FORMATS}
    assert said in pages["html"]
    assert "No trial is complete yet." in pages["html"]
    assert "19.00 dB" in pages["html"]  # the affine filter is known from the first day
    assert len(pages["csv"].splitlines()) == 1 + len(trials)


# ---- what each format holds ------------------------------------------------------------


def test_every_section_of_the_page() -> None:
    page = render([mixed()], "html")
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections == ["best", "gallery", "diagnosis", "history", "curves", "parameters",
                        "pruning", "trials", "reproduce"]  # fmt: skip
    for said in ("trial 4", "edge-of-range", FINDING.remedy, "an abacus", "0123456789abcdef",
                 "autoencoder-hpo reproduce tiny 4", "The median pruner ended 1 trial"):  # fmt: skip
        assert said in page, said
    heads = [int(level) for level in re.findall(r"<h(\d)", without_ours(page))]
    assert heads[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(heads))
    assert len(page) < 2_500_000


def test_links_within_the_page_lead_somewhere() -> None:
    for given in (mixed(), contents([])):
        page = render([given], "html")
        ids = re.findall(r'id="([\w-]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([\w-]+)"', page)) <= set(ids)


def test_the_page_asks_for_nothing() -> None:
    page = render([mixed()], "html")
    assert "default-src 'none'" in html.unescape(page)
    assert "unsafe-eval" not in page
    rest = without_ours(page)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', rest) == []


def test_a_healthy_study_has_no_finding() -> None:
    page = render([contents([trial(0)])], "html")
    assert "Nothing was found that holds this study back." in page
    assert "Nothing was found" not in render([mixed()], "html")
    assert "only the images can be judged" in render([contents([])], "html")


def test_markdown_is_whole() -> None:
    text = markdown(mixed())
    assert text.startswith("<!-- autoencoder-hpo report -->\n\n# tiny\n")
    assert "| trial 4 | unet | 19.00 dB | +3.00 dB |" in text
    assert "| affine filter |  | 19.00 dB | +3.00 dB |" in text
    assert "`trial.model.width: {int: [2, 32]}`" in text
    assert "- 6: RuntimeError: a \\<b\\>bug" in text


def test_json_has_every_value() -> None:
    found = json.loads(render([mixed()], "json"))
    assert [each["state"] for each in found["trials"]] == ["complete"] * 5 + [
        "pruned", "fail", "running"
    ]  # fmt: skip
    assert found["best"]["number"] == 4
    assert found["findings"][0]["docs"] == "docs/diagnosis.md#edge-of-range"
    assert found["pruning"]["epochs_left"] == 2
    assert found["timeline"][4]["start"] == 40.0
    assert (found["affine"], found["data"]["hash"]) == (AFFINE, "0123456789abcdef")


def test_csv_has_a_row_for_each_trial_and_a_column_for_each_parameter() -> None:
    rows = list(csv.DictReader(io.StringIO(render([mixed()], "csv"))))
    assert [row["state"] for row in rows].count("complete") == 5
    assert (rows[4]["model"], rows[4]["optimizer.adam.learning_rate"]) == ("unet", "0.02")
    assert (rows[5]["model"], rows[5]["epochs"]) == ("", "1")
    assert float(rows[4]["val_psnr"]) == 19.0
    assert rows[6]["reason"] == "RuntimeError: a <b>bug</b>"


def test_a_reason_is_no_formula_in_a_spreadsheet() -> None:
    failed = trial(0, None, state=TrialState.FAIL, reason="=HYPERLINK(1)")
    (row,) = csv.DictReader(io.StringIO(render([contents([failed])], "csv")))
    assert row["reason"] == "'=HYPERLINK(1)"


# ---- texts of others -------------------------------------------------------------------


def hostile() -> Contents:
    failed = trial(1, None, state=TrialState.FAIL, reason=f"Error: {EVIL}", worker=EVIL)
    given = contents([trial(0), failed], findings=[], description=EVIL)
    return renamed(given, EVIL)


def test_names_and_errors_with_html_in_them_are_shown_as_text() -> None:
    page = render([hostile()], "html")
    assert EVIL not in page
    assert "<h1>&lt;script&gt;" in page
    assert "Error: &lt;script&gt;" in page
    assert "alert" not in without_ours(page).replace("alert(&#34;1&#34;)", "")
    assert EVIL not in render([hostile(), mixed()], "html")


def test_markdown_shows_html_as_text() -> None:
    text = markdown(hostile())
    assert EVIL not in re.sub(r"`[^`]*`", "", text)  # code is shown as it is
    assert "\\<script\\>" in text


# ---- parts -----------------------------------------------------------------------------


def test_pruning_saves_what_was_not_trained() -> None:
    """Trials of 3 epochs and 6 s; a pruned one had one epoch, so that two of 6 s are saved."""
    found = saved(mixed().facts.study, mixed().trials)
    assert (found.pruned, found.epochs, found.epochs_left) == (1, 16, 2)
    assert (found.seconds, found.seconds_left, found.share) == (36.0, 12.0, 0.25)


def test_a_trial_that_could_not_train_was_not_saved() -> None:
    infeasible = trial(0, 15.0, state=TrialState.PRUNED, epochs=1)
    assert saved(mixed().facts.study, [stored(infeasible)]).pruned == 1
    infeasible.system_attrs["constraints:trainable"] = 1.0
    assert saved(mixed().facts.study, [stored(infeasible)]).pruned == 0


def test_an_audit_is_told() -> None:
    audit = [{"trial": 5, "epoch": 1, "value": 0.01, "psnr": 19.5},
             {"trial": 6, "epoch": 2, "value": None, "psnr": None}]  # fmt: skip
    given = contents([trial(0, 19.0)], audit=audit)
    page = render([given], "html")
    said = "An audit finished 2 pruned trials: the best of them, trial 5, reached 19.50 dB"
    for text in (page, markdown(given)):
        assert f"{said}, +0.50 dB over the best denoiser." in text
    assert "diverged" in page


def test_names_are_as_short_as_tells_them_apart() -> None:
    names = short_names(["optimizer.adam.learning_rate", "model.unet.depth", "model.mlp.depth"])
    assert list(names.values()) == ["learning_rate", "unet.depth", "mlp.depth"]
    assert short_names(["model", "schedule.kind"])["schedule.kind"] == "schedule.kind"


def test_the_templates_are_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["autoencoder_hpo"]
    package = ROOT / "autoencoder_hpo"
    found = {path for pattern in patterns for path in package.glob(pattern)}
    assert set((package / "report" / "templates").iterdir()) <= found


def test_the_noisiest_pictures_leave_the_page_below_5_mb() -> None:
    """Eight strips of 128×128 crops in color and a panel, all of them as noisy as the input."""
    chance = np.random.default_rng(0)

    def noise(high: int, wide: int) -> Image.Image:
        grey = 0.5 + chance.normal(0, 0.2, (high, wide, 3))
        return Image.fromarray((grey.clip(0, 1) * 255).astype(np.uint8))

    crops = [crop_uri(noise(128, 128)) for _ in range(6)]
    assert crops[0].startswith("data:image/jpeg;")
    strips = [Strip(f"trial {number}", "", crops) for number in range(8)]
    panel = panel_uri(noise(478, 1096))
    given = replace(mixed(), gallery=Gallery(strips, panel))
    assert len(render([given], "html")) < 4_800_000


# ---- several studies -------------------------------------------------------------------


def test_studies_are_compared() -> None:
    one, two = mixed(), renamed(contents([trial(0, 20.5)]), "other")
    text = render([one, two], "md")
    assert "Not comparable" not in text
    assert "| other | done | trial 0, mlp | **20.50 dB** | +4.50 dB |" in text
    assert "| tiny | done | trial 4, unet | 19.00 dB |" in text
    found = json.loads(render([one, two], "json"))
    assert [each["psnr"] for each in found["comparison"]] == [19.0, 20.5]
    assert [each["study"] for each in found["studies"]] == ["tiny", "other"]
    page = render([one, two], "html")
    assert 'id="figure-progress"' in page
    assert "Not comparable" not in page
    rows = list(csv.DictReader(io.StringIO(render([one, two], "csv"))))
    assert {row["study"] for row in rows} == {"tiny", "other"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"hash": "ffff"}}, "other did not have the images of tiny."),
        (
            {"task": {"corruption": {"kind": "gaussian", "sigma": 0.5}}},
            "other has another task than tiny: corruption.",
        ),
    ],
)
def test_scores_of_other_images_or_tasks_are_not_compared(
    changes: dict[str, Any], said: str
) -> None:
    studies = [mixed(), renamed(contents([trial(0, 20.5)], **changes), "other")]
    for form in ("html", "md"):
        text = render(studies, form)
        assert said in text
        assert "**20.50 dB**" not in text
        assert 'class="mark"' not in text
    assert json.loads(render(studies, "json"))["warnings"] == [said]


def test_more_epochs_are_no_other_task() -> None:
    studies = [mixed(), renamed(contents([trial(0)], task={"epochs": 30}), "other")]
    assert json.loads(render(studies, "json"))["warnings"] == []


def test_a_study_without_a_best_trial_is_compared_too() -> None:
    studies = [mixed(), renamed(contents([]), "other")]
    assert "| other | done | – | – | – |" in render(studies, "md")
    assert values(studies[1])["best"] is None
    assert "other" in render(studies, "html")
