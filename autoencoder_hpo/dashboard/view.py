"""The storage as the dashboard sees it: what makes useful columns, without our records."""

from collections.abc import Container
from copy import copy
from typing import Any

from optuna.storages import RDBStorage, _CachedStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.dashboard.lookup import StudyAttrs
from autoencoder_hpo.storage.records import columns
from autoencoder_hpo.storage.study_records import StudyRecord

DECIMALS = 3


class View(_CachedStorage):
    """Optuna's cached storage, for reading. Whole records of a thousand trials are megabytes.

    A subclass, because optuna-dashboard (0.21) takes nothing but a storage of Optuna's.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._slim: dict[int, FrozenTrial] = {}

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy=False, states=states)
        slim = [self._slimmed(trial) for trial in trials]
        return [copy(trial) for trial in slim] if deepcopy else slim

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._slimmed(super().get_trial(trial_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        studies = super().get_all_studies()
        for study in studies:
            study.user_attrs = study_facts(study.user_attrs)
            study.system_attrs = StudyAttrs(study.system_attrs)
        return studies

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._backend.get_study_name_from_id(study_id)  # not from the cache: it may change

    def _slimmed(self, trial: FrozenTrial) -> FrozenTrial:
        known = self._slim.get(trial._trial_id)
        if known is not None:
            return known
        slim = copy(trial)
        slim.user_attrs = {
            name: _rounded(value) for name, value in columns(trial.user_attrs).items()
        }
        if trial.state.is_finished():  # it changes no more
            self._slim[trial._trial_id] = slim
        return slim


def study_facts(attrs: dict[str, Any]) -> dict[str, Any]:
    """What people want to know of a study; one that is not ours keeps what it has."""
    record = StudyRecord.of(attrs)
    if (data := record.data) is None:
        return attrs
    halt = record.halt
    facts = {
        "noisy input, PSNR (dB)": _rounded(data.noisy.psnr),
        "noisy input, MSE": data.noisy.mse,
        "affine filter, PSNR (dB)": _rounded(None if data.affine is None else data.affine.psnr),
        "budget, trials": record.budget.trials,
        "budget, seconds": record.budget.timeout,
        "halted": None if halt is None else f"{halt.kind}: {halt.reason}",
        **{f"images, {split}": number for split, number in data.counts.items()},
    }
    return {name: value for name, value in facts.items() if value is not None}


def _rounded(value: Any) -> Any:
    return round(value, DECIMALS) if isinstance(value, float) else value
