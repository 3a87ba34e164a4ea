"""The notes of a large study, looked up by trial.

For each trial, optuna-dashboard (0.21) goes through the notes of all trials: with a thousand
trials that is most of the time of a request. Ours gives it the attributes of that one trial.
"""

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial
from optuna_dashboard import _serializer

OF_A_TRIAL = re.compile(r"dashboard:(?:artifacts:)?(\d+):")

Serialize = Callable[[int, FrozenTrial, dict[str, Any]], dict[str, Any]]


class StudyAttrs(dict[str, Any]):
    """The system attributes of a study, that also knows which belong to which trial."""

    @cached_property
    def by_trial(self) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for name, value in self.items():
            if trial := OF_A_TRIAL.match(name):
                found.setdefault(int(trial[1]), {})[name] = value
        return found


stock: Serialize = _serializer.serialize_frozen_trial


def serialize_trial(study_id: int, trial: FrozenTrial, attrs: dict[str, Any]) -> dict[str, Any]:
    """What optuna-dashboard answers for one trial, at the cost of one trial."""
    if isinstance(attrs, StudyAttrs):
        attrs = attrs.by_trial.get(trial._trial_id, {})
    return stock(study_id, trial, attrs)


_serializer.serialize_frozen_trial = serialize_trial
