"""What a terminal shows."""

import io
from typing import Any

from rich.console import Console, RenderableType

from autoencoder_hpo.cli.tables import hidden_units, live_screen, summary_screen
from autoencoder_hpo.text import duration

VIEW: dict[str, Any] = {
    "study": "digits",
    "state": "running",
    "objective": "val_mse",
    "halted": None,
    "counts": {"complete": 3, "pruned": 2, "failed": 1, "running": 1, "waiting": 0},
    "budget": {"trials": 10, "timeout": None},
    "seconds_left": 75.0,
    "time_left": 3700.0,
    "noisy": {"mse": 0.025, "psnr": 16.07, "ssim": 0.9},
    "best": {
        "number": 4,
        "val_mse": 0.013,
        "val_psnr": 18.84,
        "val_ssim": 0.94,
        "psnr_gain": 2.77,
        "parameters": 8265,
    },
    "workers": [
        {"worker": "vm:7", "trial": 6, "model": "unet", "epoch": 3, "epochs": 20, "psnr": 17.5}
    ],
}


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
    counts = dict.fromkeys(VIEW["counts"], 0)
    text = shown(live_screen({**VIEW, "workers": [], "best": None, "counts": counts}))
    assert "starting" in text
    assert "best –" in text


def test_the_summary_sets_the_best_beside_the_noisy_input() -> None:
    text = shown(summary_screen(VIEW))
    assert "digits: running" in text
    assert "1m15s left" in text
    assert "noisy input" in text
    assert "best denoiser (trial 4)" in text
    assert "8,265" in text


AFFINE = {"mse": 0.02, "psnr": 17.5, "ssim": 0.91, "sees": "the whole image", "images": 9}


def test_the_summary_sets_the_best_beside_the_affine_filter() -> None:
    best = {**VIEW["best"], "affine_gain": 1.34}
    text = shown(summary_screen({**VIEW, "affine": AFFINE, "best": best}))
    (row,) = [line for line in text.splitlines() if "affine filter" in line and "│" in line]
    assert [cell.strip() for cell in row.split("│")[1:6]] == [
        "affine filter", "0.02000", "17.50 dB", "0.910", "+1.43 dB",
    ]  # fmt: skip
    line = "best 18.84 dB (+2.77 dB over the noisy input, +1.34 dB over the affine filter)"
    assert line in text
    assert "does not beat" not in text


def test_a_best_trial_below_the_affine_filter_is_said_in_words() -> None:
    best = {**VIEW["best"], "affine_gain": -0.66}
    text = " ".join(shown(summary_screen({**VIEW, "affine": AFFINE, "best": best})).split())
    assert "(+2.77 dB over the noisy input, 0.66 dB below the affine filter)" in text
    assert "The best trial does not beat the affine filter: a fixed weighted sum" in text


def test_a_study_of_an_older_version_has_no_affine_filter() -> None:
    text = shown(summary_screen(VIEW))
    assert "best 18.84 dB (+2.77 dB over the noisy input)" in text
    assert "affine" not in text


def test_without_noise_there_is_no_noisy_row() -> None:
    nothing = {"mse": None, "psnr": None, "ssim": None}
    best = {**VIEW["best"], "psnr_gain": None}
    text = shown(summary_screen({**VIEW, "noisy": nothing, "best": best}))
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
    relu = {"dead": 0.42, "dead_layer": 0.86, "saturated": None, "saturated_layer": None}
    assert hidden_units(relu) == "42% dead (86% of the worst layer)"
    tanh = {"dead": 0.0, "dead_layer": 0.0, "saturated": 0.6, "saturated_layer": 0.95}
    assert hidden_units(tanh).endswith(", 60% of their values saturated (95%)")
