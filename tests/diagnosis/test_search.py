"""What holds a search back: each cause planted, and healthy searches, which have none."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from histories import (
    DATA,
    Params,
    applied,
    file_of,
    kinds,
    only,
    searched,
    smooth,
    told,
)
from records import as_facts, stored

from autoencoder_hpo.diagnosis.findings import Audited, Facts
from autoencoder_hpo.diagnosis.proposals import line
from autoencoder_hpo.diagnosis.search import of_search
from autoencoder_hpo.space import parameters
from autoencoder_hpo.study import StudyFile

LATE = {"pruner": {"kind": "none"}, "sampler": {"kind": "random"}}


def mlp(**ranges: Any) -> dict[str, Any]:
    """A space of one model, with these ranges, and a learning rate."""
    rate = {"float": [1e-4, 1e-1], "log": True}
    return {
        "optimizer": {"kind": "adam", "learning_rate": rate},
        "model": {"kind": "mlp", **ranges},
    }


RATE = "optimizer.adam.learning_rate"


def towards(name: str, worth: float = 3.0, *, of: tuple[float, float]) -> Any:
    """A landscape that rises with the log of a parameter, with a little of everything else."""
    chance = random.Random(1)

    def landscape(params: Params) -> float:
        here = math.log(params[name] / of[0]) / math.log(of[1] / of[0])
        return 19 + worth * here + chance.gauss(0, 0.1)

    return landscape


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_healthy_search_has_no_findings(sampler: str, seed: int) -> None:
    study = file_of(search={"sampler": {"kind": sampler}, "seed": seed}).study
    assert of_search(searched(study, smooth(study, seed), trials=25)) == []


# ---- edge-of-range ---------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize(("worth", "end"), [(3.0, "high"), (-3.0, "low")])
def test_the_best_value_beyond_an_end(sampler: str, worth: float, end: str) -> None:
    search = {"sampler": {"kind": sampler}, "pruner": {"kind": "none"}}
    file = file_of(search=search, trial=mlp(width={"int": [16, 256]}))
    landscape = towards(RATE, worth, of=(1e-4, 1e-1))
    facts = searched(file.study, landscape, trials=40)
    found = only(of_search(facts), "edge-of-range")
    assert f"near the {end} end of trial.optimizer.learning_rate" in found.seen
    (rate,) = [each for each in parameters(applied(file, found.change).trial) if each.name == RATE]
    assert (rate.low, rate.high) == ((1e-4, 0.3) if end == "high" else (3.3e-5, 0.1))


def test_a_range_inside_a_choice_is_named_by_its_kind() -> None:
    file = file_of()

    def landscape(params: Params) -> float:
        if params["model"] == "mlp":
            return 18.0
        return 19 + math.log(params["model.unet.channels"] / 8)

    found = only(of_search(searched(file.study, landscape, trials=50)), "edge-of-range")
    assert found.change == "trial.model.unet.channels: {int: [8, 192], log: true}"
    assert applied(file, found.change)


@pytest.mark.parametrize(
    ("ranges", "shape"),
    [
        ({"dropout": {"float": [0.0, 0.5]}}, [1, 28, 28]),  # the field goes no lower
        ({"kind": "unet", "depth": {"int": [1, 3]}}, [1, 8, 8]),  # and the images no deeper
    ],
)
def test_an_end_that_cannot_move_is_no_finding(ranges: dict[str, Any], shape: list[int]) -> None:
    study = file_of(search=LATE, trial={"model": {"kind": "mlp", **ranges}}).study
    (name,) = [each.name for each in parameters(study.space) if each.name.startswith("model")]
    worth = -4 if "dropout" in name else 1
    facts = searched(study, lambda params: 20 + worth * params[name], trials=40, shape=shape)
    assert "edge-of-range" not in kinds(of_search(facts))
    other = {"dropout": {"float": [0.2, 0.5]}} if "dropout" in name else ranges
    study = file_of(search=LATE, trial={"model": {"kind": "mlp", **other}}).study
    facts = searched(study, lambda params: 20 + worth * params[name], trials=40)
    assert "edge-of-range" in kinds(of_search(facts)), "the same landscape where the end can move"


def timed(facts: Facts, seconds: Callable[[Params], float]) -> Facts:
    """The same trials, having taken so long."""
    took = [
        replace(trial, record=replace(trial.record, seconds=seconds(trial.params)))
        for trial in facts.trials
    ]
    return replace(facts, trials=took)


@pytest.mark.parametrize(
    ("timeout", "high"),
    [(None, 768), ("1000h", 768), ("600m", 512), ("330m", 384), ("28m", None)],
)
def test_an_end_moves_as_far_as_the_time_of_the_study_allows(
    timeout: str | None, high: int | None
) -> None:
    """A trial of 256 units takes 256 seconds, one of 512 four times as long: twenty take 5.7 h."""
    search = {**LATE, "trials": 40, **({} if timeout is None else {"timeout": timeout})}
    file = file_of(search=search, trial=mlp(width={"int": [16, 256], "log": True}))
    width = "model.mlp.width"
    facts = searched(file.study, towards(width, of=(16, 256)), trials=40)
    facts = timed(facts, lambda params: params[width] ** 2 / 256)
    found = [each for each in of_search(facts) if each.kind == "edge-of-range"]
    moved = None if high is None else f"trial.model.width: {{int: [16, {high}], log: true}}"
    assert [each.change for each in found] == [moved] * (moved is not None)


def test_an_end_moves_where_trials_take_no_longer_however_short_the_time() -> None:
    search = {**LATE, "trials": 18, "timeout": "28m"}
    file = file_of(search=search, trial=mlp(width={"int": [16, 256], "log": True}))
    facts = searched(file.study, towards(RATE, of=(1e-4, 1e-1)), trials=18)
    facts = timed(facts, lambda params: 300.0 - 100 * params[RATE])
    assert "learning_rate" in only(of_search(facts), "edge-of-range").seen


# ---- losing-choice ---------------------------------------------------------------------


def test_an_option_that_always_loses() -> None:
    file = file_of(search=LATE)
    healthy = smooth(file.study, 5)

    def landscape(params: Params) -> float:
        reached = healthy(params)
        assert isinstance(reached, float)
        return reached - 3 * (params["batch_size"] == 128)

    assert "losing-choice" not in kinds(of_search(searched(file.study, healthy, trials=60)))
    found = only(of_search(searched(file.study, landscape, trials=60)), "losing-choice")
    assert found.change == "trial.batch_size: [32, 64]"
    left = {each.name: each.choices for each in parameters(applied(file, found.change).trial)}
    assert left["batch_size"] == (32, 64)


def test_a_model_that_always_loses_is_dropped_in_words() -> None:
    study = file_of(search=LATE).study
    facts = searched(study, lambda params: 18 + (params["model"] == "unet"), trials=40)
    found = only(of_search(facts), "losing-choice")
    assert (found.figures["option"], found.change) == ("mlp", None)
    assert "this leaves unet" in found.remedy


# ---- pruner-too-eager ------------------------------------------------------------------


def late(reached: float, epoch: int) -> float:
    """The better a trial will be, the slower it begins."""
    return min(reached, 14 + epoch * (26 - reached) / 4)


def eager(**search: Any) -> tuple[StudyFile, Facts]:
    pruner = {"kind": "median", "warmup_epochs": 1, "startup_trials": 2}
    file = file_of(search={"pruner": pruner, "sampler": {"kind": "random"}, **search})
    study = file.study
    slow = [told(study, 0, [16 + e / 2 for e in range(12)])]
    quick = [told(study, number, [18 + e / 5 for e in range(12)]) for number in (1, 2, 3)]
    ended = [told(study, number, [17.0, 17.1], pruned=True) for number in (4, 5, 6)]
    return file, as_facts(study, DATA, [*slow, *quick, *ended])


def test_trials_that_were_ended_while_they_were_ahead_of_the_winner() -> None:
    file, facts = eager()
    found = only(of_search(facts), "pruner-too-eager")
    assert found.figures["ahead"] == 3
    pruner = applied(file, found.change).search.pruner
    assert (pruner.kind, pruner.model_dump()["warmup_epochs"]) == ("median", 8)
    assert pruner.model_dump()["startup_trials"] == 2
    behind = [stored(told(facts.study, n, [15.0, 15.1], pruned=True)) for n in (4, 5, 6)]
    assert "pruner-too-eager" not in kinds(
        of_search(replace(facts, trials=[*facts.trials[:4], *behind]))
    )


def test_an_audit_has_the_last_word() -> None:
    file, facts = eager()
    better = [Audited(n, 2, 10**-2.2, 22.0) for n in (4, 5)]
    worse = [Audited(n, 2, 10**-1.9, 19.0) for n in (4, 5, 6)]
    diverged = [Audited(n, 2, None, None) for n in (4, 5, 6)]
    found = only(of_search(replace(facts, audit=better)), "pruner-too-eager")
    assert found.sure == "certain"
    assert found.figures["regret, dB"] == pytest.approx(0.5, abs=0.01)
    assert "trials 4 and 5" in found.seen
    assert applied(file, found.change).search.pruner.model_dump()["warmup_epochs"] == 3
    for audit in (worse, diverged):
        assert "pruner-too-eager" not in kinds(of_search(replace(facts, audit=audit)))


def test_slower_halving() -> None:
    pruner = {"kind": "successive_halving", "min_resource": 2, "reduction_factor": 3}
    file, facts = eager(pruner=pruner)
    found = only(of_search(facts), "pruner-too-eager")
    assert found.change is not None
    assert applied(file, found.change).search.pruner.model_dump()["min_resource"] == 8


# ---- plateau, too-few-trials -----------------------------------------------------------


def test_a_standstill() -> None:
    study = file_of(search={"trials": 60}).study
    rising = [told(study, n, [18 + n / 10]) for n in range(10)]
    still = [told(study, n, [18.92], pruned=n % 2 == 0) for n in range(10, 60)]
    found = only(of_search(as_facts(study, DATA, [*rising, *still])), "plateau")
    assert found.figures == {"without progress": 50, "trials": 60, "as good": 27}
    assert applied(file_of(), found.change).search.patience == 30
    last, lucky = told(study, 60, [19.0]), told(study, 0, [19.5])
    for trials in ([*rising, *still[:15]], [*rising, *still, last], [lucky, *rising[1:], *still]):
        assert "plateau" not in kinds(of_search(as_facts(study, DATA, trials)))


def test_fewer_trials_than_the_space_needs() -> None:
    file = file_of(search={"trials": 6})  # of eight parameters, a trial has six
    trials = [told(file.study, n, [18 + n / 10]) for n in range(6)]
    found = only(of_search(as_facts(file.study, DATA, trials)), "too-few-trials")
    assert found.figures == {"trials": 6, "parameters": 6, "needed": 18}
    assert applied(file, found.change).search.trials == 18
    planned = file_of().study
    assert of_search(as_facts(planned, DATA, trials, over=False)) == []
    assert kinds(of_search(as_facts(planned, DATA, trials))) == ["too-few-trials"]
    timed = file_of(search={"trials": None, "timeout": "1h"}).study
    assert of_search(as_facts(timed, DATA, trials, over=False)) == []


# ---- failures --------------------------------------------------------------------------


def test_failures_that_gather() -> None:
    file = file_of(search=LATE)
    healthy = smooth(file.study, 3)

    def landscape(params: Params) -> float | str:
        too_high = params["optimizer.learning_rate"] > 1e-2
        return "the loss was not finite in epoch 1" if too_high else healthy(params)

    found = of_search(searched(file.study, landscape, trials=40))
    region = only(found, "failed-region")
    assert "trial.optimizer.learning_rate is at least 0.01" in region.seen
    (rate,) = [
        each
        for each in parameters(applied(file, region.change).trial)
        if each.name == "optimizer.learning_rate"
    ]
    assert rate.low == 1e-4
    assert rate.high == pytest.approx(1e-2, rel=0.3)
    assert only(found, "many-diverged").change == "trial.gradient_clip: 1.0"


def test_failures_at_an_option() -> None:
    study = file_of(search=LATE).study
    healthy = smooth(study, 3)

    def landscape(params: Params) -> float | str:
        return "out of memory" if params["model"] == "unet" else healthy(params)

    found = of_search(searched(study, landscape, trials=30))
    assert only(found, "failed-region").figures["bound"] == "unet"
    assert "out of memory" in only(found, "many-failed").seen


@pytest.mark.parametrize(("share", "expected"), [(0.1, []), (0.35, ["many-failed"])])
def test_scattered_failures_are_no_region(share: float, expected: list[str]) -> None:
    study = file_of(search=LATE).study
    chance, healthy = random.Random(2), smooth(study, 3)
    facts = searched(study, lambda p: "a bug" if chance.random() < share else healthy(p), trials=40)
    assert kinds(of_search(facts)) == expected


# ---- baselines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reached", "expected"),
    [(15.0, ["worse-than-input"]), (17.0, ["worse-than-affine"]), (19.0, [])],
)
def test_a_best_trial_below_a_baseline(reached: float, expected: list[str]) -> None:
    file = file_of(search={"trials": 20})
    trials = [told(file.study, n, [reached - n / 10]) for n in range(20)]
    found = of_search(as_facts(file.study, DATA, trials))
    assert kinds(found) == expected
    for each in found:
        assert applied(file, each.change).task.epochs == 24
    assert (
        of_search(as_facts(file.study, {**DATA, "noisy": {"psnr": None}, "affine": None}, trials))
        == []
    )


def test_a_unet_is_proposed_where_there_is_none() -> None:
    file = file_of(trial=mlp())
    trials = [told(file.study, n, [17 - n / 10]) for n in range(20)]
    found = only(of_search(as_facts(file.study, DATA, trials)), "worse-than-affine")
    assert found.change == "trial.model: {kind: unet, depth: [1, 2], channels: [8, 16, 24]}"
    assert applied(file, found.change).trial["model"]["kind"] == "unet"
    flat = as_facts(file.study, {**DATA, "shape": [1, 1, 64]}, trials)  # feature vectors
    assert only(of_search(flat), "worse-than-affine").change == "task.epochs: 24"


def test_nothing_is_said_before_a_trial_is_complete() -> None:
    study = file_of().study
    assert of_search(as_facts(study, DATA, [], over=False)) == []
    assert of_search(as_facts(study, DATA, [])) == []


def test_a_line_keeps_every_digit_of_what_the_study_has() -> None:
    assert line("trial.l1", [0.00012345, 1e-5]) == "trial.l1: [0.00012345, 1.0e-05]"
