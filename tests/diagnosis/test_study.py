"""A whole diagnosis: the surest first, one finding for a cause, silence for a healthy study."""

import re
from pathlib import Path
from typing import Any

import pytest
from diagnosis.made_up import HEALTH, facts, falling, history, trial
from histories import DATA, file_of, kinds, searched, smooth, told
from records import as_facts

from autoencoder_hpo.diagnosis.findings import Finding
from autoencoder_hpo.diagnosis.study import MOST, deferred, diagnose, folded, shared

ROOT = Path(__file__).parent.parent.parent


def finding(
    kind: str, about: str = "study", sure: Any = "likely", change: str | None = None
) -> Finding:
    return Finding(kind, about, f"{kind} was seen.", {}, sure, "do it", change)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_healthy_study_has_no_findings(seed: int) -> None:
    study = file_of(search={"seed": seed}).study
    census = {
        "looked_at": 5500, "copies": 0, "constant": 3, "white": 1, "typically_white": 0.003,
        "outliers": 2, "at_0": 0.5, "at_1": 0.01, "folders": None,
    }  # fmt: skip
    assert diagnose(searched(study, smooth(study, seed), trials=25, census=census)) == []


def test_the_surest_come_first_and_not_too_many() -> None:
    study = file_of(search={"trials": 6}).study
    trials = [told(study, n, [15 + n / 10]) for n in range(6)]
    census = {
        "looked_at": 5500, "copies": 50, "constant": 300, "white": 1, "typically_white": 0.003,
        "outliers": 50, "at_0": 0.5, "at_1": 0.01, "folders": None,
    }  # fmt: skip
    found = diagnose(as_facts(study, {**DATA, "census": census}, trials))
    assert [each.sure for each in found] == ["certain", "certain", "likely", "likely", "possible"]
    assert set(kinds(found)) == {
        "duplicates", "worse-than-input", "constant-images", "outliers", "too-few-trials",
    }  # fmt: skip
    assert len(folded([finding(f"kind-{n}") for n in range(20)])[:MOST]) == 8


def test_without_a_complete_trial_the_images_are_judged_all_the_same() -> None:
    few = {**DATA, "counts": {"train": 5000, "validation": 12, "test": 9}}
    study = file_of().study
    assert kinds(diagnose(as_facts(study, few, [], over=False))) == ["too-few-images"]
    pruned = told(study, 0, [17.0], pruned=True)
    assert kinds(diagnose(as_facts(study, few, [pruned], over=False))) == ["too-few-images"]


def test_one_finding_for_one_cause() -> None:
    of_study, of_trial = (
        finding("worse-than-affine"),
        finding("worse-than-affine", "trial 3", "certain"),
    )
    assert folded([of_trial, of_study]) == [of_study]
    diverged = finding("many-diverged")
    assert folded([finding("divergence", "trial 3"), diverged]) == [diverged]
    assert kinds(folded([finding("divergence", "trial 3")])) == ["divergence"]
    longer = finding("underfitting", "trial 3", "certain", "task.epochs: 60")
    also = finding("slow-learning", "trial 3", "likely", "task.epochs: 24")
    assert folded([also, longer]) == [longer]
    both = [
        finding("edge-of-range", change=f"trial.model.{each}: 3") for each in ("width", "depth")
    ]
    assert folded(both) == both


def test_what_many_good_trials_share_is_said_once() -> None:
    mine = [finding("overfitting", "trial 1")]
    theirs = [
        [finding("overfitting", f"trial {n}"), finding("dead-units", f"trial {n}", "certain")]
        for n in range(2, 8)
    ]
    best, many = shared(mine, [*theirs, [], []])
    assert best.seen == "overfitting was seen. So do 6 of 8 other good trials."
    assert (many.kind, many.about, many.sure) == ("dead-units", "study", "possible")
    assert many.seen.startswith("Shared by 6 of 8 other good trials. One of them, trial 2:")
    assert shared(mine, [[], *theirs[:3], [], [], []]) == mine  # three of seven are not many
    assert shared([], [[finding("dead-units")]] * 3) == []


def test_what_all_the_trials_next_to_the_best_share_is_said_though_others_do_not() -> None:
    dead = [[finding("dead-units", f"trial {n}")] for n in (7, 3, 4)]
    (said,) = shared([], [*dead, *[[]] * 20])
    assert (said.kind, said.about, said.sure) == ("dead-units", "study", "possible")
    assert said.seen.startswith("Shared by all 3 trials next to the best. One of them, trial 7:")
    assert shared([], [*dead[:2], [], dead[2], *[[]] * 20]) == []
    mine = finding("dead-units", "trial 9")
    (own,) = shared([mine], [*dead, *[[]] * 20])
    assert own.seen == "dead-units was seen. So do all 3 trials next to the best."


def test_a_search_led_by_models_with_a_dead_layer_is_told_another_activation() -> None:
    """As deep U-Nets of rectifiers led one: the best itself had just fewer than what counts."""
    layers = [0.86, 0.96, 0.99, 0.97, *[0.3] * 12]
    trials = [
        trial(history(falling(0.06, 0.009 + n / 5000)), health={**HEALTH, "dead_layer": layer})
        for n, layer in enumerate(layers)
    ]
    (found,) = diagnose(facts(*trials))
    assert (found.kind, found.about, found.sure) == ("dead-units", "study", "possible")
    assert found.change == "trial.model.activation: [leaky_relu, elu]"
    assert diagnose(facts(*trials[:3], *trials[4:])) == []


def test_a_symptom_leaves_the_remedy_to_its_cause() -> None:
    symptom = finding("worse-than-affine", sure="certain", change="task.epochs: 24")
    cause = finding("stagnation", "trial 3", change="trial.optimizer.learning_rate: 0.01")
    first, second = folded(deferred([symptom, cause]))
    assert (first.change, second) == (None, cause)
    assert first.remedy == "Begin with what may cause it: stagnation, see below."
    guess, same = finding("dead-units", "trial 3", "possible"), finding(symptom.kind, "trial 3")
    assert deferred([symptom, guess, same]) == [symptom, guess, same]


# ---- the documentation -----------------------------------------------------------------


KINDS = {
    "underfitting",
    "overfitting",
    "stagnation",
    "slow-learning",
    "divergence",
    "oscillation",
    "dead-units",
    "saturated-units",
    "narrow-bottleneck",
    "noise-mismatch",
    "weak-group",
    "worse-than-affine",
    "worse-than-input",
    "edge-of-range",
    "losing-choice",
    "pruner-too-eager",
    "plateau",
    "too-few-trials",
    "failed-region",
    "many-diverged",
    "many-failed",
    "duplicates",
    "constant-images",
    "saturated-images",
    "outliers",
    "imbalance",
    "too-few-images",
}


def test_every_kind_is_explained() -> None:
    anchors = re.findall(r"^## (\S+)$", (ROOT / "docs" / "diagnosis.md").read_text(), re.MULTILINE)
    assert sorted(anchors) == sorted(KINDS)


def test_no_kind_of_the_code_is_missing_there() -> None:
    """Kinds are the only hyphened words between quotes, and a few single ones."""
    sources = (ROOT / "autoencoder_hpo" / "diagnosis").glob("*.py")
    words = {
        word for path in sources for word in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', path.read_text())
    }
    assert {"edge-of-range", "too-few-images"} <= words
    assert words <= KINDS
