"""What a terminal shows."""

import io
from typing import Any

from records import data_of, made, summary_of
from rich.console import Console, RenderableType

from autoencoder_hpo.cli.tables import AtWork, View, hidden_units, live_screen, summary_screen
from autoencoder_hpo.storage.status import Summary
from autoencoder_hpo.text import duration
from autoencoder_hpo.training.results import Health

NOISY = {"mse": 0.025, "psnr": 16.07, "ssim": 0.9}
SCORES = {"val_mse": 0.013, "val_psnr": 18.84, "val_ssim": 0.94, "psnr_gain": 2.77}
AT_WORK = [AtWork("vm:7", 6, "unet", 3, 20, 17.5)]


def summary(psnr_gain: float | None = 2.77, **data: Any) -> Summary:
    """Of a study whose trial 4 is the best."""
    best = made(4, scores={**SCORES, "psnr_gain": psnr_gain}, parameters=8265, value=0.001)
    states = ["complete"] * 2 + ["pruned"] * 2 + ["fail", "running"]
    trials = [best, *(made(5 + number, state) for number, state in enumerate(states))]
    known = data_of({"noisy": NOISY, **data})
    return summary_of(trials, known, study="digits", state="running", most=10, seconds_left=75.0)


VIEW = View(summary(), AT_WORK, 3700.0)


def shown(what: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(what)
    return out.getvalue()


def test_the_live_table_says_who_does_what_and_how_far_all_is() -> None:
    text = shown(live_screen(VIEW))
    for part in ("vm:7", "unet", "3/20", "17.50 dB", "5 of 10 trials", "1 failed"):
        assert part in text
    assert "best 18.84 dB (+2.77 dB)   1h01m left" in text
    assert "━━━" in text


def test_the_live_table_before_the_first_claim() -> None:
    new = summary_of([], data_of({"noisy": NOISY}))
    text = shown(live_screen(View(new, [], None)))
    assert "starting" in text
    assert "best –" in text


def test_the_summary_sets_the_best_beside_the_noisy_input() -> None:
    text = shown(summary_screen(summary()))
    assert "digits: running" in text
    assert "1m15s left" in text
    assert "noisy input" in text
    assert "best denoiser (trial 4)" in text
    assert "8,265" in text


AFFINE = {"mse": 0.02, "psnr": 17.5, "ssim": 0.91, "sees": "the whole image", "images": 9}


def test_the_summary_sets_the_best_beside_the_affine_filter() -> None:
    text = shown(summary_screen(summary(affine=AFFINE)))
    (row,) = [line for line in text.splitlines() if "affine filter" in line and "│" in line]
    assert [cell.strip() for cell in row.split("│")[1:6]] == [
        "affine filter", "0.02000", "17.50 dB", "0.910", "+1.43 dB",
    ]  # fmt: skip
    line = "best 18.84 dB (+2.77 dB over the noisy input, +1.34 dB over the affine filter)"
    assert line in text
    assert "does not beat" not in text


def test_a_best_trial_below_the_affine_filter_is_said_in_words() -> None:
    better = {**AFFINE, "psnr": 19.5}
    text = " ".join(shown(summary_screen(summary(affine=better))).split())
    assert "(+2.77 dB over the noisy input, 0.66 dB below the affine filter)" in text
    assert "The best trial does not beat the affine filter: a fixed weighted sum" in text


def test_a_study_of_an_older_version_has_no_affine_filter() -> None:
    text = shown(summary_screen(summary()))
    assert "best 18.84 dB (+2.77 dB over the noisy input)" in text
    assert "affine" not in text


def test_without_noise_there_is_no_noisy_row() -> None:
    nothing = {"mse": None, "psnr": None, "ssim": None}
    text = shown(summary_screen(summary(None, noisy=nothing)))
    assert "noisy input" not in text
    assert "–" in text


def test_durations() -> None:
    assert [duration(s) for s in (None, 5.4, 65, 3661, float("inf"))] == [
        "–",
        "5s",
        "1m05s",
        "1h01m",
        "–",
    ]


def test_hidden_units_are_told_by_all_and_by_the_worst_layer() -> None:
    relu = Health(64, 0.1, 0.1, 0.1, 0.1, 0.42, 0.86, None, None)
    assert hidden_units(relu) == "42% dead (86% of the worst layer)"
    tanh = Health(64, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0, 0.6, 0.95)
    assert hidden_units(tanh).endswith(", 60% of their values saturated (95%)")
