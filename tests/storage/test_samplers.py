"""Samplers that visit the same points whoever asks, and pruners as the study says."""

import optuna
import pytest
from contracts.fields import kinds_of, least
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from support import Create, study_file, trial_of

from autoencoder_hpo.space import fill
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.samplers import build_pruner, value_at
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.study.config import PrunerConfig, SamplerConfig

SAMPLERS, PRUNERS = kinds_of(SamplerConfig), kinds_of(PrunerConfig)
NOT_BY_NUMBER = {
    "tpe": "learns from the trials before",
    "gp": "learns from the trials before",
    "cmaes": "learns from the trials before",
    "grid": "gives every cell once, to whoever asks first",
}
"""Samplers whose points depend on more than a trial's number, and on what."""
NOT_CONDITIONAL = {
    "cmaes": "draws choices at random; its own test is below",
    "grid": "has no cells where a range has no step",
}
"""Samplers that a conditional space of ranges is not for, and why."""
BUILT: dict[str, type] = {
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "none": optuna.pruners.NopPruner,
}
"""What Optuna calls each pruner."""
CONDITIONAL = {
    "trial": {
        "model": {
            "choice": [
                {"kind": "mlp", "depth": {"int": [1, 3]}, "width": {"int": [8, 64], "log": True}},
                {"kind": "unet", "depth": 1, "channels": {"int": [4, 8]}},
            ]
        }
    }
}


def points(opened: StudyHandle, order: list[int]) -> dict[int, dict[str, object]]:
    """The parameters of each trial, asked for in this order, as several workers would."""
    claimed = [claim(opened, "a") for _ in order]
    found = {}
    for number in order:
        took = claimed[number]
        assert isinstance(took, Claimed)
        fill(opened.study.space, trial_of(opened, took))
        found[number] = trial_of(opened, took).params
    return found


def test_what_is_excepted_are_samplers() -> None:
    assert NOT_BY_NUMBER.keys() | NOT_CONDITIONAL.keys() <= SAMPLERS.keys()


@pytest.mark.parametrize("kind", [kind for kind in SAMPLERS if kind not in NOT_BY_NUMBER])
def test_points_depend_on_the_trial_number_alone(create: Create, kind: str) -> None:
    """R12, R13."""
    sampler = {"sampler": least(SAMPLERS[kind]), "trials": 8, "seed": 3}
    forth = points(create(name="one", search=sampler, **CONDITIONAL), list(range(8)))
    back = points(create(name="two", search=sampler, **CONDITIONAL), list(range(7, -1, -1)))
    assert forth == back
    assert len({str(point) for point in forth.values()}) == 8
    other = points(
        create(name="three", search={**sampler, "seed": 4}, **CONDITIONAL), list(range(8))
    )
    assert other != forth


@pytest.mark.parametrize("kind", [kind for kind in SAMPLERS if kind not in NOT_CONDITIONAL])
def test_every_sampler_serves_a_conditional_space(create: Create, kind: str) -> None:
    opened = create(search={"sampler": least(SAMPLERS[kind]), "trials": 16}, **CONDITIONAL)
    for number in range(16):
        took = claim(opened, "a")
        assert isinstance(took, Claimed)
        filled = fill(opened.study.space, trial_of(opened, took))
        opened.optuna.tell(trial_of(opened, took), float(len(str(filled.config))) + number % 3)
    assert {t.params["model"] for t in opened.trials()} == {"mlp", "unet"}


def test_cmaes_serves_numbers_and_keeps_its_state_in_the_database(create: Create) -> None:
    opened = create(search={"sampler": {"kind": "cmaes"}, "trials": 16})
    for _ in range(16):
        took = claim(opened, "a")
        assert isinstance(took, Claimed)
        fill(opened.study.space, trial_of(opened, took))
        opened.optuna.tell(trial_of(opened, took), trial_of(opened, took).params["model.mlp.width"])
    assert any("cma" in key for trial in opened.trials() for key in trial.system_attrs)


def test_tpe_avoids_what_could_not_be_trained(create: Create) -> None:
    """R8, R21: half of the space cannot be trained; TPE learns it from the constraint."""
    opened = create(
        search={"sampler": {"kind": "tpe", "startup_trials": 10}, "trials": 50},
        trial={"model": {"kind": "mlp", "depth": 1, "width": {"int": [8, 1000]}, "latent": 8}},
    )
    wide = []
    for _ in range(50):
        took = claim(opened, "a")
        assert isinstance(took, Claimed)
        fill(opened.study.space, trial_of(opened, took))
        too_wide = trial_of(opened, took).params["model.mlp.width"] > 500
        wide.append(too_wide)
        if too_wide:
            trial_of(opened, took).set_constraint("trainable", 1.0)
            opened.optuna.tell(trial_of(opened, took), state=TrialState.PRUNED)
        else:
            opened.optuna.tell(trial_of(opened, took), 1.0)
    assert sum(wide[-20:]) < sum(wide[:10]) + 5 < 15


@pytest.mark.parametrize("kind", PRUNERS)
def test_every_pruner_is_built(kind: str) -> None:
    if kind not in BUILT:
        pytest.fail(f"say in BUILT which pruner of Optuna {kind} is")
    study = study_file(search={"pruner": least(PRUNERS[kind])}).study
    assert type(build_pruner(study)) is BUILT[kind]


UNIT = st.floats(0, 1, exclude_max=True)


@given(UNIT)
def test_a_place_in_the_unit_cube_is_a_value_of_the_range(place: float) -> None:
    for distribution in (
        IntDistribution(3, 17),
        IntDistribution(1, 13, step=4),
        IntDistribution(2, 1000, log=True),
        FloatDistribution(-1.0, 2.5),
        FloatDistribution(1e-5, 1e-1, log=True),
        FloatDistribution(0.0, 1.0, step=0.25),
        CategoricalDistribution(["a", None, True, 4]),
    ):
        value = value_at(place, distribution)
        assert distribution._contains(distribution.to_internal_repr(value)), (distribution, value)


def test_the_ends_of_the_unit_cube_are_the_ends_of_the_range() -> None:
    assert value_at(0.0, IntDistribution(3, 17)) == 3
    assert value_at(0.999999, IntDistribution(3, 17)) == 17
    assert value_at(0.999999, IntDistribution(1, 13, step=4)) == 13
    assert value_at(0.5, FloatDistribution(1e-4, 1e-2, log=True)) == pytest.approx(1e-3)
