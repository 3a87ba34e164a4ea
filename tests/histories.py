"""Studies that were never trained: real samplers on made-up landscapes, in memory.

A landscape gives a trial's best PSNR in dB from its parameters; its curve rises towards that. What
the pruner of the study says is asked as a worker would ask it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState, create_trial
from records import as_facts
from support import study_file

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.ranges import place
from autoencoder_hpo.space import every_hole, fill
from autoencoder_hpo.space.holes import Choice, Hole, Listed, Scalar
from autoencoder_hpo.storage.samplers import build_pruner, build_sampler, is_rung
from autoencoder_hpo.study import StudyConfig, StudyFile, parse_study

Params = Mapping[str, Any]
Landscape = Callable[[Params], float | str]
"""The best PSNR in dB; or why the trial could not be trained."""
Curve = Callable[[float, int], float]
"""PSNR in dB after an epoch, of a trial that comes to this PSNR."""

DATA: dict[str, Any] = {
    "counts": {"train": 5000, "validation": 500, "test": 500},
    "shape": [1, 28, 28],
    "noisy": {"mse": 0.025, "psnr": 16.0, "ssim": 0.5},
    "affine": {"mse": 0.013, "psnr": 18.5, "ssim": 0.7},
}


def rising(reached: float, epoch: int) -> float:
    """Half of what is left in every two epochs."""
    return reached - 4 * 0.7**epoch


SPACE: dict[str, Any] = {
    "optimizer": {
        "kind": ["adam", "adamw", "rmsprop"],
        "learning_rate": {"float": [1e-4, 3e-2], "log": True},
    },
    "batch_size": [32, 64, 128],
    "model": {
        "choice": [
            {"kind": "mlp", "depth": {"int": [2, 5]}, "width": {"int": [64, 1024], "log": True}},
            {"kind": "unet", "depth": {"int": [1, 3]}, "channels": {"int": [8, 64], "log": True}},
        ]
    },
}


def file_of(**changes: Any) -> StudyFile:
    """A study of `SPACE`, 12 epochs long, with these changes."""
    search = {"trials": 25, "pruner": {"kind": "median", "warmup_epochs": 3}}
    given = {"trial": SPACE, **changes}
    given["task"] = {"epochs": 12, **given.get("task", {})}
    given["search"] = {**search, **given.get("search", {})}
    return study_file(**given)


def applied(file: StudyFile, change: str | None) -> StudyConfig:
    """The study of the file with this line in its place, read as any study file is."""
    assert change is not None
    path, _, value = change.partition(": ")
    tree = yaml.safe_load(file.text)
    *above, last = path.split(".")
    here = tree
    for step in above:
        options = here.get("choice", ())
        here = next((each for each in options if each["kind"] == step), None) or here[step]
    here[last] = yaml.safe_load(value)
    return parse_study(yaml.safe_dump(tree), where="changed.yaml", base="/").study


def smooth(study: StudyConfig, seed: int) -> Landscape:
    """A healthy landscape: every range has its best value inside, or does not matter at all."""
    chance = random.Random(seed)
    terms = {hole.name: _term(hole, chance) for hole, _ in every_hole(study.space)}

    def landscape(params: Params) -> float:
        return (
            21 + sum(terms[name](value) for name, value in params.items()) + chance.gauss(0, 0.05)
        )

    return landscape


def _term(hole: Hole, chance: random.Random) -> Callable[[Any], float]:
    """What a value adds, in dB: a parabola inside of a range, a little for options."""
    if isinstance(hole, Listed | Choice):
        options = hole.values if isinstance(hole, Listed) else list(hole.options)
        most = chance.choice([0, 0.1, 0.3])
        worth: dict[Scalar, float] = {option: -chance.uniform(0, most) for option in options}
        return worth.__getitem__
    best, steep = chance.uniform(0.3, 0.7), chance.choice([0, 1, 3, 6])
    return lambda value: -steep * (place(value, hole) - best) ** 2


def searched(
    study: StudyConfig, landscape: Landscape, *, trials: int, curve: Curve = rising, **data: Any
) -> Facts:
    """What the study's own sampler and pruner make of this landscape, one trial after the other."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(
        sampler=build_sampler(study),
        pruner=build_pruner(study),
        direction=study.search.objective.direction,
    )
    for _ in range(trials):
        _one(study, made, landscape, curve)
    return as_facts(study, {**DATA, **data}, made.get_trials(deepcopy=False))


def _one(study: StudyConfig, made: optuna.Study, landscape: Landscape, curve: Curve) -> None:
    trial = made.ask()
    config = TrialConfig.model_validate(fill(study.space, trial).config)
    trial.set_user_attr("config", config.model_dump(mode="json"))
    reached = landscape(trial.params)
    if isinstance(reached, str):
        trial.set_user_attr("reason", reached)
        trial.set_constraint("trainable", 1.0)
        made.tell(trial, state=TrialState.PRUNED)
        return
    for epoch in range(1, study.task.epochs + 1):
        psnr = curve(reached, epoch)
        trial.set_user_attr("val_psnr", psnr)
        trial.report(_value(psnr, study), epoch)
        if is_rung(study)(epoch) and trial.should_prune():
            made.tell(trial, state=TrialState.PRUNED)
            return
    made.tell(trial, _value(psnr, study))


def _value(psnr: float, study: StudyConfig) -> float:
    """Of a trial with this PSNR; SSIM and BCE are made up, and as far from their best."""
    error = 10 ** (-psnr / 10)
    match study.search.objective:
        case Metric.VAL_MSE:
            return float(error)
        case Metric.VAL_PSNR:
            return psnr
        case Metric.VAL_SSIM:
            return float(1 - error)
        case Metric.VAL_BCE:
            return float(error)
        case _ as never:
            assert_never(never)


def told(
    study: StudyConfig,
    number: int,
    psnrs: Sequence[float],
    *,
    params: Params | None = None,
    pruned: bool = False,
    **attrs: Any,
) -> FrozenTrial:
    """A trial with this PSNR after each epoch, and these parameters of the study's space."""
    recorded = optuna.trial.FixedTrial(dict(params or {}), number=number)
    if params is not None:
        fill(study.space, recorded)  # type: ignore[arg-type]
    trial = create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        value=_value(max(psnrs), study),
        params=dict(params or {}),
        distributions=recorded.distributions,
        intermediate_values={
            epoch: _value(psnr, study) for epoch, psnr in enumerate(psnrs, start=1)
        },
        user_attrs={"val_psnr": max(psnrs), **attrs},
    )
    trial.number = number
    return trial


def kinds(findings: Sequence[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


def only(findings: Sequence[Finding], kind: str) -> Finding:
    """The one finding of this kind."""
    (found,) = [finding for finding in findings if finding.kind == kind]
    return found
