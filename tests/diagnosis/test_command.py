"""`autoencoder-hpo diagnose`, and what the dashboard's note says of it."""

import json
from collections.abc import Callable
from typing import Any

import optuna_dashboard
from diagnosis.conftest import Finish, prune
from rich.console import Console
from support import Create, Ended, inputs_of

from autoencoder_hpo.config import Metric
from autoencoder_hpo.diagnosis.audit import Regret
from autoencoder_hpo.diagnosis.facts import facts_of
from autoencoder_hpo.diagnosis.findings import Finding
from autoencoder_hpo.diagnosis.screen import audit_line, diagnosis_screen
from autoencoder_hpo.diagnosis.study import diagnose
from autoencoder_hpo.showcase.preview_images import choose_probes
from autoencoder_hpo.showcase.store import open_store
from autoencoder_hpo.showcase.study import refresh
from autoencoder_hpo.storage.study import StudyHandle, set_budget
from autoencoder_hpo.worker.context import WorkerContext

Call = Callable[..., Ended]
HARMFUL: dict[str, Any] = {
    "task": {"epochs": 1},
    "search": {"trials": 3},
    "trial": {"optimizer": {"kind": "sgd", "learning_rate": 1e-6}},
}


def test_the_findings_and_what_to_do(call: Call, finish: Finish) -> None:
    finish(**HARMFUL)
    out = " ".join(call("diagnose", "tiny").good().split())
    for said in (
        "findings, the surest first",
        "1. worse-than-input, certain",
        "do:",
        "docs/diagnosis.md#worse-than-input",
        "too-few-images, likely",
        "give it another name:",
    ):
        assert said in out, out
    values = json.loads(call("diagnose", "tiny", "--json").good())
    first = values["findings"][0]
    assert (first["kind"], first["sure"]) == ("worse-than-input", "certain")
    assert first["figures"]["best, dB"] < first["figures"]["baseline, dB"]
    assert (values["study"], values["audit"]) == ("tiny", None)


def test_before_a_trial_is_complete_the_images_are_judged(call: Call, create: Create) -> None:
    create()
    out = call("diagnose", "tiny").good()
    assert "No trial is complete yet: only the images can be judged." in out
    assert "too-few-images" in out


def test_an_audit_is_kept(call: Call, create: Create, context: WorkerContext) -> None:
    prune(create, context)
    out = call("diagnose", "tiny", "--audit", "1", "--device", "cpu").good()
    assert "audit: 1 pruned trial finished; the best is" in out
    assert "below the study's best, and 0 of them" in out
    values = json.loads(call("diagnose", "tiny", "--json").good())
    assert values["audit"]["finished"] == 1
    again = call("diagnose", "tiny", "--audit", "5", "--device", "cpu", "--json")
    assert json.loads(again.good())["audit"]["finished"] == 2
    nothing = call("diagnose", "tiny", "--audit", "1")
    assert nothing.good()
    assert "no pruned trial is left" in nothing.err


def test_one_line_for_a_mistake(call: Call) -> None:
    assert "not in" in call("diagnose", "nothing").line
    assert call("diagnose", "tiny", "--audit", "0").code == 2


def test_the_note_of_the_study_has_the_surest_findings(
    finish: Finish, context: WorkerContext
) -> None:
    opened: StudyHandle = finish(**HARMFUL)
    probes = choose_probes(inputs_of(opened.file, context.settings).prepared[0])
    refresh(opened, store=open_store(context.settings), probes=probes, last=True)
    note = optuna_dashboard.get_note(opened.optuna)
    assert "**Diagnosis**\n\n- **worse-than-input**: The best trial" in note
    assert note.count("\n- **") == min(3, len(diagnose(facts_of(opened)))) > 1


def test_a_healthy_study_is_told_so() -> None:
    screen = Console(width=100, record=True)
    screen.print(diagnosis_screen("digits", [], None, complete=9, metric=Metric.VAL_MSE))
    assert screen.export_text() == "digits: Nothing holds this study back.\n"
    finding = Finding("overfitting", "trial 3", "It rises.", {}, "possible", "Add dropout.")
    screen.print(
        diagnosis_screen(
            "digits", [finding], Regret(2, 0.2, 0.5, (3,)), complete=9, metric=Metric.VAL_MSE
        )
    )
    said = screen.export_text()
    assert "digits: 1 finding, the surest first\n1. overfitting (trial 3), possible" in said
    assert "the best is 0.20 dB above the study's best, and 1 of them come" in said
    assert "another name" not in said  # there is no line to change
    assert "none had a finite loss" in audit_line(Regret(1, None, 0.0, ()), Metric.VAL_MSE)


def test_facts_know_whether_more_trials_are_to_come(finish: Finish) -> None:
    opened = finish(trials=1, **HARMFUL)
    assert not facts_of(opened).over
    set_budget(opened, trials=1, timeout=None)
    assert facts_of(opened).over
