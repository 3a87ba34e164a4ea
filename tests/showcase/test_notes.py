"""Markdown that people read, and plots beside it."""

from typing import Any

import pytest
from records import data_of, made, summary_of

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.showcase.notes import one_line, study_note, trial_note
from autoencoder_hpo.showcase.plots import history, sizes
from autoencoder_hpo.storage.status import Summary
from autoencoder_hpo.storage.study_records import Halt, StudyData

MSE, PSNR = Metric.VAL_MSE, Metric.VAL_PSNR
EPOCH = {"epoch": 1, "train_loss": 0.01, "val_mse": 0.01, "val_psnr": 20.0, "learning_rate": 0.1}
RECORD: dict[str, Any] = {
    "number": 3,
    "scores": {"val_mse": 0.008, "val_psnr": 21.204, "val_ssim": 0.9},
    "history": [EPOCH],
    "best_epoch": 27,
    "parameters": 56905,
    "seconds": 41.2,
    "worker": "lab:12",
    "device": "cpu",
    "params": {"optimizer.adam.learning_rate": 0.0033104, "model": "unet"},
    "config": {"model": {"kind": "unet"}},
}
COMPLETE = made(**RECORD)
DATA = data_of({"noisy": {"psnr": 16.0}})


def test_a_trials_note() -> None:
    note = trial_note(COMPLETE, 15.97, ["abc.png"], metric=MSE)
    assert note.splitlines()[0] == (
        "**21.20 dB**, +5.23 dB against the noisy input (15.97 dB), best in epoch 27"
    )
    assert "![picture](/pictures/abc.png)" in note
    assert "| `optimizer.adam.learning_rate` | 0.00331 |" in note
    assert "| parameters | 56,905 |" in note
    assert "no pictures" not in note


def test_without_a_score_or_corruption_it_says_so() -> None:
    none = {"reason": "out of memory", "scores": None, "history": []}
    early = made(**{**RECORD, **none, "state": "pruned"})
    assert "It had reached – (– against the noisy input)" in trial_note(early, 15.97, metric=MSE)
    assert "– against the noisy input (–)" in trial_note(COMPLETE, None, metric=MSE)


@pytest.mark.parametrize("text", ["<script>", "![x](http://a)", "a | b", "# title", "a\n\nb"])
def test_text_of_others_is_shown_as_it_is(text: str) -> None:
    line = one_line(text)
    assert "\n" not in line
    assert line.replace("\\", "") == " ".join(text.split())
    for sign in "<|![#":
        assert line.count(sign) == line.count(f"\\{sign}")


def summary(data: StudyData, psnr: float | None, **known: Any) -> Summary:
    """Of a study whose trial 2 is the best, and has this PSNR."""
    states = ["complete"] * 2 + ["pruned"] + ["running"] * 2
    if psnr is None:
        states = states[2:]
    trials = [made(number + 3, state) for number, state in enumerate(states)]
    if psnr is not None:
        scores = {"val_mse": 0.01, "val_psnr": psnr, "psnr_gain": psnr - 16.0}
        trials.append(made(2, scores=scores, parameters=1000, value=0.001))
    return summary_of(trials, data, state="running", most=25, **known)


def test_a_studys_note() -> None:
    note = study_note(summary(DATA, 19.5), "Scans of *letters*", [])
    assert "Scans of \\*letters\\*" in note
    assert "**running**: 4 of 25 trials (3 complete, 1 pruned), 2 running, 0 waiting" in note
    assert "best denoiser, trial 2 | **19.50 dB** (+3.50 dB), 1,000 parameters" in note
    stopped = study_note(summary(DATA, None, halt=Halt("stopped", "ten failures")), "", [])
    assert "**Stopped:** ten failures" in stopped


def test_a_studys_note_names_the_affine_filter_and_warns_below_it() -> None:
    data = data_of({"noisy": {"psnr": 16.0}, "affine": {"psnr": 18.25}})
    note = study_note(summary(data, 19.5), "")
    assert "| affine filter | 18.25 dB (+2.25 dB) |" in note
    assert "Below" not in note
    below = study_note(summary(data, 17.75), "")
    assert "**Below the affine filter:** The best trial does not beat" in below


def test_the_affine_filter_is_a_line_in_the_plots() -> None:
    for drawn in (drawn_by([COMPLETE], 15.97, 18.2, metric=PSNR) for drawn_by in (history, sizes)):
        assert [line["y0"] for line in drawn["layout"]["shapes"]] == [15.97, 18.2]
        labels = [label["text"] for label in drawn["layout"]["annotations"]]
        assert labels == ["noisy input 15.97 dB", "affine filter 18.20 dB"]
    assert len(history([COMPLETE], 15.97, metric=PSNR)["layout"]["shapes"]) == 1


def test_plots_leave_out_what_is_not_known() -> None:
    unscored = {key: value for key, value in RECORD.items() if key not in ("number", "scores")}
    failed = made(4, "fail", **{**unscored, "history": None})
    pruned = made(5, "pruned", **unscored)
    drawn = history([COMPLETE, failed, pruned], 15.97, metric=PSNR)
    assert [(trace["name"], trace["x"], trace["y"]) for trace in drawn["data"]] == [
        ("complete", [3], [21.204]),
        ("pruned", [5], [20.0]),
        ("best so far", [3], [21.204]),
    ]
    assert sizes([COMPLETE, failed, pruned], None, metric=PSNR)["data"][0]["x"] == [56905]
    assert "shapes" not in sizes([], None, metric=PSNR)["layout"]
