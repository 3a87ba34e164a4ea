"""Every cause that can be planted in a trial is found, and a healthy trial has none."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from diagnosis.made_up import (
    AFFINE,
    DATA,
    GOOD,
    HEALTH,
    STUDY,
    facts,
    falling,
    history,
    steady,
    text_of,
    trial,
)
from optuna.trial import FrozenTrial, TrialState
from records import as_facts, made
from support import Create, inputs_of, merged

from autoencoder_hpo.diagnosis.facts import facts_of
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.trials import of_trial
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.study import parse_study
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial

SETTLED = history(falling(0.06, 0.0105))
POOR = history(falling(0.06, 0.018))
COSINE = [1e-3 * (1 + math.cos(math.pi * epoch / 30)) / 2 for epoch in range(1, 31)]
UNET = {"kind": "unet", "depth": 1, "channels": 8}
SPECKLE = {"kind": "speckle", "sigma": 0.2}


def kinds(findings: list[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


@dataclass(frozen=True)
class Planted:
    """A cause in a trial, and the change that it should lead to."""

    kind: str
    course: list[dict[str, float]]
    change: str
    config: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    state: TrialState = TrialState.COMPLETE
    reason: str | None = None

    def trial(self) -> FrozenTrial:
        return trial(
            self.course,
            state=self.state,
            health={**HEALTH, **self.health},
            reason=self.reason,
            **self.config,
        )


def zigzag(low: float, high: float) -> list[float]:
    return falling(0.06, low, 10) + [low, high] * 10


def rate(value: float) -> dict[str, Any]:
    return {"optimizer": {"kind": "adam", "learning_rate": value}}


PLANTED = {
    "too small": Planted("underfitting", POOR, "trial.model.width: {int: [128, 512], log: true}"),
    "too few channels": Planted(
        "underfitting",
        POOR,
        "trial.model.channels: {int: [8, 32], log: true}",
        {"model": {"kind": "unet", "channels": 4}},
    ),
    "crushed by dropout": Planted(
        "underfitting",
        POOR,
        "trial.model.dropout: {float: [0.0, 0.3]}",
        {"model": {"dropout": 0.6}},
    ),
    "crushed by l1": Planted(
        "underfitting", POOR, "trial.l1: {float: [1.0e-06, 0.0001], log: true}", {"l1": 1e-3}
    ),
    "crushed by weight decay": Planted(
        "underfitting",
        POOR,
        "trial.optimizer.weight_decay: {float: [0.001, 0.1], log: true}",
        {"optimizer": {"kind": "adamw", "learning_rate": 1e-3, "weight_decay": 1.0}},
    ),
    "too small to get there in any time": Planted(
        "underfitting",
        history(steady(0.08, 0.045)),
        "trial.model.width: {int: [128, 512], log: true}",
    ),
    "learned by heart": Planted(
        "overfitting",
        history(falling(0.06, 0.010, 10) + steady(0.0105, 0.0135, 20), steady(0.05, 0.009)),
        "trial.l2: {float: [1.0e-06, 0.0001], log: true}",
    ),
    "learned by heart, with noise drawn anew": Planted(
        "overfitting",
        history(falling(0.06, 0.012), falling(0.06, 0.0055)),
        "trial.l2: {float: [1.0e-06, 0.0001], log: true}",
    ),
    "learned by heart in spite of a penalty": Planted(
        "overfitting",
        history(falling(0.06, 0.012), falling(0.06, 0.0055)),
        "trial.l2: {float: [2.0e-05, 0.0002], log: true}",
        {"l2": 1e-5},
    ),
    "a rate too low": Planted(
        "stagnation",
        history([0.07 - 1e-5 * epoch for epoch in range(30)], rates=[1e-7] * 30),
        "trial.optimizer.learning_rate: {float: [0.00046, 0.0046], log: true}",
        rate(1e-7),
        {"gradient_norm": 0.01, "loss": 0.07},
    ),
    "a rate too low, annealed": Planted(
        "stagnation",
        history(falling(0.09, 0.05), rates=[value / 10 for value in COSINE]),
        "trial.optimizer.learning_rate: {float: [0.00094, 0.0094], log: true}",
        {**rate(1e-4), "schedule": {"kind": "cosine"}},
        {"gradient_norm": 0.03, "loss": 0.05},
    ),
    "a rate too high": Planted(
        "stagnation",
        history([0.06, *[0.03 + 0.0005 * (epoch % 2) for epoch in range(29)]], rates=[0.1] * 30),
        "trial.optimizer.learning_rate: {float: [0.001, 0.02], log: true}",
        rate(0.1),
        {"gradient_norm": 0.05, "loss": 0.03},
    ),
    "a rate so high that no slope is left": Planted(
        "stagnation",
        history([0.17] * 30, rates=[0.1] * 30),
        "trial.optimizer.learning_rate: {float: [0.001, 0.02], log: true}",
        rate(0.1),
        {"gradient_norm": 0.0, "loss": 0.17},
    ),
    "a gradient that vanished": Planted(
        "stagnation",
        history([0.07] * 30),
        "trial.model.activation: [leaky_relu, elu]",
        {"model": {"activation": "sigmoid"}},
        {"gradient_norm": 1e-5, "loss": 0.07},
    ),
    "too few epochs": Planted("slow-learning", history(steady(0.06, 0.011)), "task.epochs: 60"),
    "fewer epochs than the task allows": Planted(
        "slow-learning",
        history(steady(0.06, 0.011, 10), rates=[1e-2] * 10),
        "trial.epochs: 30",
        {"epochs": 10, **rate(1e-2)},
    ),
    "small steps": Planted(
        "slow-learning",
        history(steady(0.06, 0.02), rates=[1e-4] * 30),
        "trial.optimizer.learning_rate: {float: [0.00046, 0.0046], log: true}",
        rate(1e-4),
    ),
    "infinite": Planted(
        "divergence",
        history([0.05]),
        "trial.optimizer.learning_rate: {float: [0.02, 0.2], log: true}",
        {"optimizer": {"kind": "sgd", "learning_rate": 2.0}},
        state=TrialState.PRUNED,
        reason="the loss was not finite in epoch 2",
    ),
    "infinite at once, slowly": Planted(
        "divergence",
        [],
        "trial.gradient_clip: [0.1, 1.0]",
        rate(1e-5),
        state=TrialState.PRUNED,
        reason="the loss was not finite in epoch 1",
    ),
    "blown up": Planted(
        "divergence",
        history(
            [*falling(0.06, 0.012, 20), *[0.2] * 10], [*falling(0.06, 0.011, 20), *[0.19] * 10]
        ),
        "trial.optimizer.learning_rate: {float: [1.0e-05, 0.0001], log: true}",
    ),
    "jumpy": Planted(
        "oscillation",
        history(zigzag(0.011, 0.014)),
        "trial.optimizer.learning_rate: {float: [5.0e-05, 0.0005], log: true}",
    ),
    "dead": Planted(
        "dead-units",
        POOR,
        "trial.model.activation: [leaky_relu, elu]",
        health={"dead": 0.7, "dead_layer": 0.95},
    ),
    "killed by the rate": Planted(
        "dead-units",
        POOR,
        "trial.optimizer.learning_rate: {float: [0.001, 0.01], log: true}",
        rate(0.1),
        health={"dead": 0.7, "dead_layer": 0.95},
    ),
    "killed by l1": Planted(
        "dead-units",
        POOR,
        "trial.l1: {float: [1.0e-06, 0.0001], log: true}",
        {"l1": 1e-3},
        {"dead": 0.9, "dead_layer": 1.0},
    ),
    "saturated": Planted(
        "saturated-units",
        POOR,
        "trial.model.activation: [leaky_relu, elu]",
        {"model": {"activation": "tanh"}},
        {"saturated": 0.6, "saturated_layer": 0.8, "dead": 0.6, "dead_layer": 0.8},
    ),
    "narrow": Planted(
        "narrow-bottleneck",
        history(falling(0.06, 0.032)),
        "trial.model.latent: {int: [8, 32], log: true}",
        {"model": {"latent": 4}},
        {"clean_mse": 0.028},
    ),
    "other noise": Planted(
        "noise-mismatch",
        SETTLED,
        "trial.corruption: {kind: gaussian, sigma: 0.2}",
        {"corruption": SPECKLE},
    ),
    "too much noise": Planted(
        "noise-mismatch",
        SETTLED,
        "trial.corruption: {kind: gaussian, sigma: 0.2}",
        {"corruption": {"kind": "gaussian", "sigma": 0.7}},
    ),
    "below the affine filter": Planted(
        "worse-than-affine",
        history(falling(0.06, 0.014), falling(0.06, 0.0105)),
        "trial.model: {kind: unet, depth: [1, 2], channels: [8, 16, 24]}",
    ),
    "a unet below the affine filter": Planted(
        "worse-than-affine",
        history(falling(0.06, 0.014), falling(0.06, 0.0105)),
        "trial.model.channels: {int: [32, 128], log: true}",
        {"model": {"kind": "unet"}},
    ),
    "below the input": Planted(
        "worse-than-input",
        history(falling(0.06, 0.03), falling(0.06, 0.022)),
        "trial.model.output: residual",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_cause_is_found(name: str) -> None:
    planted = PLANTED[name]
    finding = only(of_trial(planted.trial(), facts()))
    assert finding.kind == planted.kind
    assert finding.change == planted.change
    assert finding.about == "trial 7"
    assert finding.sure in ("certain", "likely")
    assert finding.figures
    assert all(text.endswith(".") and "\n" not in text for text in (finding.seen, finding.remedy))


@pytest.mark.parametrize("sampler", ["tpe", "grid"])
@pytest.mark.parametrize("name", PLANTED)
def test_a_change_is_a_line_of_a_study_file(name: str, sampler: str) -> None:
    """Put where it says, for samplers of ranges and of lists."""
    planted = PLANTED[name]
    search = {"sampler": sampler, "trials": 20 if sampler == "tpe" else None}
    finding = only(of_trial(planted.trial(), facts(search=search)))
    assert finding.change is not None
    text = text_of(merged(GOOD, dict(planted.config)), search=search)
    assert parse_study(changed(text, finding.change), where="changed.yaml", base="/").study


def changed(text: str, change: str) -> str:
    """The study file with this line in it."""
    tree, (context, value) = yaml.safe_load(text), change.split(": ", 1)
    *above, last = context.split(".")
    part = tree
    for key in above:
        part = part.setdefault(key, {})
    part[last] = yaml.safe_load(value)
    return yaml.safe_dump(tree, sort_keys=False)


HEALTHY = {
    "settled": trial(SETTLED),
    "settled far below its training loss of another kind": trial(
        history(falling(0.06, 0.0105), falling(0.5, 0.3)), loss="bce"
    ),
    "cosine, gaining until the last epoch": trial(history(steady(0.06, 0.0105), rates=COSINE)),
    "wavering": trial(
        history([v * (1 + 0.04 * (-1) ** e) for e, v in enumerate(falling(0.06, 0.0105))])
    ),
    "wild at first": trial(history([*[0.03, 0.06] * 3, *falling(0.03, 0.0105, 24)])),
    "a little above its best at the end": trial(
        history(falling(0.06, 0.0091, 15) + [0.0103] * 15, steady(0.05, 0.008))
    ),
    "some silent units": trial(SETTLED, health={**HEALTH, "dead": 0.4, "dead_layer": 0.8}),
    "a unet, which has no bottleneck": trial(
        SETTLED, health={**HEALTH, "clean_mse": 0.009}, model={"kind": "unet", "channels": 16}
    ),
    "nearly the same noise": trial(SETTLED, corruption={"kind": "gaussian", "sigma": 0.25}),
    "a high rate that works": trial(SETTLED, optimizer={"kind": "adam", "learning_rate": 0.02}),
    "three epochs": trial(history([0.03, 0.015, 0.012])),
    "pruned early": trial(POOR[:3], state=TrialState.PRUNED, reason="unpromising after epoch 3"),
    "pruned late": trial(POOR, state=TrialState.PRUNED, reason="unpromising after epoch 30"),
    "pruned before an epoch": trial([], state=TrialState.PRUNED, reason="out of memory"),
    "failed": trial([], state=TrialState.FAIL, reason="a bug"),
    "running": trial(POOR, state=TrialState.RUNNING),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_trial_has_no_findings(name: str) -> None:
    assert of_trial(HEALTHY[name], facts()) == []


@pytest.mark.parametrize("name", PLANTED)
def test_an_old_study_has_neither_health_nor_components(name: str) -> None:
    planted = PLANTED[name]
    old = trial(
        planted.course, health=None, state=planted.state, reason=planted.reason, **planted.config
    )
    data = {key: value for key, value in DATA.items() if key not in ("pca", "affine")}
    known = facts()
    found = of_trial(old, as_facts(known.study, data, []))
    if planted.kind in (
        "overfitting",
        "slow-learning",
        "divergence",
        "oscillation",
        "noise-mismatch",
    ):
        assert kinds(found) == [planted.kind]
    assert "dead-units" not in kinds(found)
    assert of_trial(trial(SETTLED, health=None), as_facts(known.study, data, [])) == []


def test_a_learning_rate_is_suspected_without_knowing_the_gradient() -> None:
    planted = PLANTED["a rate too low"]
    finding = only(of_trial(trial(planted.course, health=None, **planted.config), facts()))
    assert (finding.kind, finding.sure) == ("stagnation", "possible")


def test_a_trial_that_does_well_may_have_dead_units() -> None:
    dead = {**HEALTH, "dead": 0.6, "dead_layer": 0.7}
    finding = only(of_trial(trial(SETTLED, health=dead), facts()))
    assert (finding.kind, finding.sure) == ("dead-units", "possible")


def test_a_bottleneck_is_narrow_only_where_a_wider_one_would_lose_less() -> None:
    lossy, course = {**HEALTH, "clean_mse": 0.028}, history(falling(0.06, 0.032))
    flat = {"components": [1, 2, 4, 8, 64], "mse": [0.027, 0.026, 0.025, 0.024, 0.023]}
    narrow = trial(course, health=lossy, model={"latent": 4})
    assert kinds(of_trial(narrow, facts())) == ["narrow-bottleneck"]
    assert "narrow-bottleneck" not in kinds(of_trial(narrow, facts(data={"pca": flat})))
    unused = trial(history(falling(0.06, 0.02)), health=lossy, model={"latent": 16})
    assert "narrow-bottleneck" not in kinds(of_trial(unused, facts()))
    clear = trial(course, health={**HEALTH, "clean_mse": 0.01}, model={"latent": 4})
    assert "narrow-bottleneck" not in kinds(of_trial(clear, facts()))


def test_between_known_sizes_the_bound_lies_between() -> None:
    wide = trial(SETTLED, health={**HEALTH, "clean_mse": 0.009}, model={"latent": 28})
    assert of_trial(wide, facts()) == []  # 0.0045 of 0.0105
    narrow = trial(SETTLED, health={**HEALTH, "clean_mse": 0.009}, model={"latent": 17})
    assert kinds(of_trial(narrow, facts())) == ["narrow-bottleneck"]


def test_a_conv_s_bottleneck_is_all_its_channels_at_all_places() -> None:
    model = {"kind": "conv", "depth": 2, "latent": 1}
    lossy = {**HEALTH, "clean_mse": 0.028}
    finding = only(
        of_trial(trial(history(falling(0.06, 0.032)), health=lossy, model=model), facts())
    )
    assert (finding.kind, finding.figures["bottleneck"]) == ("narrow-bottleneck", 4)


def test_training_noise_that_does_better_than_the_task_s_is_no_mistake() -> None:
    other = trial(SETTLED, corruption=SPECKLE)
    worse, better = trial(POOR), trial(history(falling(0.06, 0.009)))
    assert kinds(of_trial(other, facts(other, worse, better))) == ["noise-mismatch"]
    assert of_trial(other, facts(other, worse)) == []


CLEAN: dict[str, Any] = {
    "task": {"corruption": {"kind": "none"}},
    "data": {"noisy": {"mse": None, "psnr": None}, "affine": None},
}


def test_a_clean_autoencoder_is_measured_against_the_linear_one() -> None:
    """0.003 is what 32 components leave."""
    poor = trial(history(falling(0.06, 0.0075)), health={**HEALTH, "clean_mse": 0.0075})
    finding = only(of_trial(poor, facts(**CLEAN)))
    assert finding.kind == "underfitting"
    assert finding.figures["yardstick"] == 0.006
    good = trial(history(falling(0.06, 0.004)), health={**HEALTH, "clean_mse": 0.004})
    assert of_trial(good, facts(**CLEAN)) == []


def test_a_pair_s_noise_is_not_known_and_not_compared() -> None:
    pairs = {"task": {"data": {"dataset": "pairs", "noisy": "a", "clean": "b"}, "corruption": None}}
    assert of_trial(trial(SETTLED, corruption=SPECKLE), facts(**pairs)) == []


def run_one(create: Create, context: WorkerContext, **changes: Any) -> tuple[FrozenTrial, Facts]:
    opened = create(**changes)
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed)
    data = inputs_of(opened.file, context.settings).prepared
    run_trial(opened, claimed, data, context, cancelled=lambda: False)
    known = facts_of(opened)
    return known.trials[0], known


def test_a_real_trial_stores_its_health_and_is_healthy(
    create: Create, context: WorkerContext
) -> None:
    trial, known = run_one(create, context, task={"epochs": 6})
    health = trial.record.health
    assert health is not None
    assert health.images == 64
    assert 0 < health.gradient_norm < 1
    assert health.clean_mse < known.data.noisy.mse * 3
    assert max(known.data.pca.mse) == 64
    ill = {"dead-units", "saturated-units", "divergence", "oscillation", "overfitting"}
    assert not ill & set(kinds(of_trial(trial, known)))


def test_a_real_trial_that_diverges_is_found(create: Create, context: WorkerContext) -> None:
    trial, known = run_one(
        create,
        context,
        trial={
            "optimizer": {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.9},
            "model": {
                "kind": "mlp",
                "depth": 2,
                "latent": 8,
                "activation": "elu",
                "output": "linear",
            },
        },
    )
    assert trial.state is TrialState.PRUNED
    finding = only(of_trial(trial, known))
    assert (finding.kind, finding.sure) == ("divergence", "certain")


def test_the_health_of_a_trial_never_costs_its_result(
    create: Create,
    context: WorkerContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def out_of_memory(_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr("autoencoder_hpo.worker.trial.health_of", out_of_memory)
    trial, _ = run_one(create, context)
    assert trial.state is TrialState.COMPLETE
    assert trial.record.health is None
    assert "was not examined: no memory left" in caplog.text


def test_a_cross_validated_trial_stores_the_health_of_its_first_fold(
    create: Create, context: WorkerContext
) -> None:
    trial, _ = run_one(create, context, task={"folds": 2, "epochs": 2})
    assert trial.record.health.images == 64


def test_the_made_up_study_is_a_study() -> None:
    assert parse_study(text_of(GOOD), where="x", base="/").study.name == STUDY["name"]


def test_a_line_has_the_option_of_the_trial_where_the_study_has_a_choice() -> None:
    """As the lines of the search have it."""
    planted = PLANTED["too small"]
    one = planted.trial()
    one.optuna._params = {"model": "mlp"}
    found = only(of_trial(one, facts(one, trial={"model": {"choice": [GOOD["model"], UNET]}})))
    assert found.change == "trial.model.mlp.width: {int: [128, 512], log: true}"


# ---- groups ------------------------------------------------------------------------------


def of_groups(boot: float, images: int = 40) -> list[str]:
    """Kinds that are found where boots have this PSNR, coats 21 dB and all together 20.8 dB."""
    scores = {"val_mse": 0.009, "val_psnr": 20.8}
    groups = {"boot": boot, "coat": 21.0}
    attrs = trial(SETTLED).optuna.user_attrs | {"scores": scores, "groups": groups}
    good = made(7, **attrs)
    affine = {"mse": AFFINE, "psnr": 19.0, "groups": {"boot": 17.0, "coat": 19.2}}
    data = {"affine": affine, "groups": {"boot": images, "coat": 400}}
    return kinds(of_trial(good, facts(good, data=data)))


def test_a_group_that_was_not_learned_is_named() -> None:
    assert of_groups(17.2) == ["weak-group"]


def test_a_group_that_is_hard_for_every_method_is_not() -> None:
    assert of_groups(18.0) == []  # 3 dB below the coats, and 1 dB above the affine filter


def test_a_few_images_are_no_group() -> None:
    assert of_groups(17.2, images=19) == []
