"""The figures of a report, as plotly gets them."""

import json
from datetime import datetime

import pytest
from optuna.trial import TrialState
from records import stored
from report.examples import contents, mixed, trial

from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import Figure
from autoencoder_hpo.report.figures import FIELD_TRIALS, figures
from autoencoder_hpo.report.parameters import FEWEST, weights
from autoencoder_hpo.report.timeline import spans


def figure(given: Contents, key: str) -> Figure:
    (found,) = [each for some in figures(given).values() for each in some if each.key == key]
    return found


def searched(number: int = 24) -> Contents:
    """Trials whose PSNR is decided by the learning rate alone."""
    models = ["mlp", "unet"]
    return contents(
        [
            trial(
                n,
                17.0 + 3 * n / number,
                params={
                    "model": models[(n // 2) % 2],
                    "optimizer.adam.learning_rate": 1e-4 * 10 ** (3 * n / number),
                },
            )
            for n in range(number)
        ]
    )


def test_the_history_has_what_is_to_be_beaten_as_lines() -> None:
    found = figure(mixed(), "history")
    assert [shape["y0"] for shape in found.plot["layout"]["shapes"]] == [16.0, 19.0]
    assert [(key.name, key.sign) for key in found.keys] == [
        ("complete", "disc"), ("pruned", "cross"), ("best so far", "line"),
        ("noisy input 16.00 dB", "dot"), ("affine filter 19.00 dB", "dash"),
    ]  # fmt: skip
    assert "title" not in found.plot["layout"]


def test_a_trial_that_diverged_leaves_the_others_their_room() -> None:
    healthy, low = [trial(n, 18.0 + n) for n in range(4)], trial(4, -250.0)
    pruned = trial(5, -30.5, state=TrialState.PRUNED, epochs=1)
    given = contents([*healthy, low, pruned])
    for key in ("history", "sizes", "curves", "slice-0"):
        ys = [y for trace in figure(given, key).plot["data"] for y in trace["y"] if y is not None]
        assert (min(ys), max(ys)) == (0, 21), key
    history, curves = figure(given, "history"), figure(given, "curves")
    assert history.plot["data"][0]["text"][-1] == "trial 4, -250 dB"
    assert history.plot["data"][1]["text"] == ["trial 5, -30 dB"]
    assert all("drawn at 0" in found.note for found in (history, curves))
    assert "drawn at 0" not in figure(contents(healthy), "history").note
    assert "drawn at 0" not in figure(contents(healthy), "curves").note


def test_the_best_curves_are_in_color_and_the_others_one_trace() -> None:
    data = figure(searched(), "curves").plot["data"]
    assert [trace["name"] for trace in data] == [
        "other trials", "trial 23", "trial 22", "trial 21", "trial 20", "trial 19"
    ]  # fmt: skip
    assert data[0]["y"].count(None) == 24 - 5
    assert data[1]["x"] == [1, 2, 3]
    assert data[1]["y"][-1] == pytest.approx(19.875)


def test_a_large_field_is_thinned_out() -> None:
    many = figure(searched(900), "curves")
    shown = many.plot["data"][0]["y"].count(None)
    assert FIELD_TRIALS / 2 < shown <= FIELD_TRIALS
    assert f"Of 895 others, {shown} are shown" in many.note
    assert "shown" not in figure(searched(), "curves").note


def test_the_parameter_that_decides_weighs_most() -> None:
    found = weights(searched())
    assert next(iter(found)) == "optimizer.adam.learning_rate"
    assert sum(found.values()) == pytest.approx(1.0)
    assert figure(searched(), "importances").plot["data"][0]["y"][-1] == "learning_rate"


def test_few_trials_or_equal_ones_have_no_importances() -> None:
    assert weights(searched(FEWEST - 1)) == {}
    assert weights(searched(FEWEST)) != {}
    assert weights(contents([trial(n, params={}) for n in range(20)])) == {}
    equal = contents([trial(n, 20.0) for n in range(20)])
    assert weights(equal) == {}


def test_slices_are_of_every_parameter_the_most_important_first() -> None:
    found = [each for each in figures(searched())["parameters"] if each.wide == "third"]
    assert [each.note for each in found] == ["optimizer.adam.learning_rate", "model"]
    assert found[0].plot["layout"]["xaxis"]["type"] == "log"
    rare = contents([*searched(9).trials[1:], trial(9, params={})])
    assert len([each for each in figures(rare)["parameters"] if each.wide == "third"]) == 2
    assert [each for each in figures(searched(3))["parameters"] if each.wide == "third"] == []


def test_parallel_lines_end_at_the_psnr() -> None:
    plot = figure(searched(), "parallel").plot
    assert plot["layout"]["xaxis"]["ticktext"] == ["model", "learning_rate", "PSNR (dB)"]
    field, *best = plot["data"]
    assert best[0]["y"][-1] == 1.0
    assert best[0]["y"][1] == 1.0  # the highest learning rate, on a log scale
    assert best[1]["y"][1] == pytest.approx(1 - 1 / 23)
    assert len(field["x"]) == (24 - 5) * 4


def test_conditional_parameters_leave_the_lines_to_what_most_trials_share() -> None:
    """Trial 0 has no model: it has no line."""
    given = contents([trial(0, 17.0), *searched(5).trials[1:]])
    assert "4 of 5 complete trials; others lack a parameter" in figure(given, "parallel").note


def test_the_timeline_has_a_row_for_each_worker_and_a_color_for_each_state() -> None:
    others = [trial(8, worker="there:2"), trial(9, None, state=TrialState.WAITING)]
    others[1].datetime_start = None
    plot = figure(contents([*mixed().trials, *others]), "timeline").plot
    by_state = {trace["name"]: trace for trace in plot["data"]}
    assert set(by_state) == {"complete", "pruned", "failed", "running"}
    assert set(by_state["complete"]["y"]) == {"worker 1", "worker 2"}
    assert (by_state["pruned"]["base"], by_state["pruned"]["x"]) == ([0.833], [0.167])
    assert plot["layout"]["xaxis"]["title"]["text"] == "minutes since the first trial began"


def test_a_running_trial_lasts_until_now() -> None:
    running = trial(3, None, state=TrialState.RUNNING)
    (span,) = spans([stored(running)], datetime(2026, 1, 2, 3, 5))
    assert (span.start, span.seconds) == (0.0, 30.0)


def test_a_trial_that_was_handed_back_has_no_row() -> None:
    waiting = trial(3, None, state=TrialState.WAITING)
    assert waiting.datetime_start is not None
    assert spans([stored(waiting)], datetime(2026, 1, 2, 3, 5)) == []


def test_a_study_without_trials_has_no_figures() -> None:
    assert [each for some in figures(contents([])).values() for each in some] == []
    failed = contents([trial(0, None, state=TrialState.FAIL)])
    assert [e.key for some in figures(failed).values() for e in some] == ["timeline"]


def test_figures_are_json() -> None:
    for given in (mixed(), searched(), contents([trial(0)])):
        for some in figures(given).values():
            for each in some:
                assert json.loads(json.dumps(each.plot, allow_nan=False)) is not None
                assert "template" not in each.plot["layout"]
