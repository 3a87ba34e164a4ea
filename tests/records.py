"""Stored values from the JSON that tests write: trials, images, how a study stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Best, Summary
from autoencoder_hpo.storage.study import best_of, count
from autoencoder_hpo.storage.study_records import Audited, Budget, Halt, StudyData
from autoencoder_hpo.study import StudyConfig

IMAGES: dict[str, Any] = {"uid": "aa", "hash": "0", "counts": {}, "shape": [1, 8, 8]}
RUN = {
    "seed": 7,
    "device": "cpu",
    "cpu": "an abacus",
    "threads": 1,
    "precision": "float32",
    "versions": {"python": "3.11", "torch": "2.9"},
    "git": "abc",
    "data_hash": "0",
}


def data_of(record: Mapping[str, Any]) -> StudyData:
    """What a study stores of its images; what a test does not say is made up."""
    return StudyData.of_record({**IMAGES, **record})


def stored(trial: FrozenTrial | StoredTrial) -> StoredTrial:
    return trial if isinstance(trial, StoredTrial) else StoredTrial.of(trial)


def as_facts(
    study: StudyConfig,
    data: StudyData | Mapping[str, Any],
    trials: Sequence[FrozenTrial | StoredTrial],
    *,
    audit: Sequence[Mapping[str, Any]] = (),
    over: bool = True,
) -> Facts:
    known = data if isinstance(data, StudyData) else data_of(data)
    found = tuple(Audited(**each) for each in audit)
    return Facts(study, known, [stored(trial) for trial in trials], over=over, audit=found)


def made(number: int = 0, state: str = "complete", **attrs: Any) -> StoredTrial:
    """A trial that has stored so much; its `params` have no range, and `value` is its objective."""
    params, value = attrs.pop("params", {}), attrs.pop("value", 0.01)
    ending = TrialState[state.upper()]
    known = value if ending is TrialState.COMPLETE else None
    trial = create_trial(state=ending, value=known, user_attrs=attrs)
    trial.number = number
    trial._params = params
    return StoredTrial.of(trial)


def summary_of(
    trials: Sequence[StoredTrial],
    data: StudyData,
    *,
    study: str = "tiny",
    state: Any = "done",
    metric: Metric = Metric.VAL_MSE,
    most: int | None = 4,
    halt: Halt | None = None,
    seconds_left: float | None = None,
) -> Summary:
    """How a study of these trials stands."""
    best = best_of(trials, metric)
    return Summary(
        study=study,
        state=state,
        halt=halt,
        counts=count(trials),
        budget=Budget(most, None),
        seconds_left=seconds_left,
        objective=metric,
        noisy=data.noisy,
        affine=data.affine,
        images=data.counts,
        best=None if best is None else Best.of(best, data.affine, metric),
    )
