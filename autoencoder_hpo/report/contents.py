"""All that a report says of a study, as values: formats only put them into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.report.gallery import Gallery
from autoencoder_hpo.report.grids import Grid, grid_of
from autoencoder_hpo.report.pruning import Saved, saved
from autoencoder_hpo.storage.status import trial_record
from autoencoder_hpo.storage.study import best_first


@dataclass(frozen=True, slots=True)
class Contents:
    """A study as it is reported; nothing in it needs the database again.

    Attributes:
        name: in the database; a study that was renamed keeps its file as it was.
        file: the text of the study file.
        summary: as `status.summary` has it.
        audit: pruned trials that an audit finished: `trial`, `epoch` after which it was pruned,
            `value` of its best epoch, and its `psnr` in dB, None where it diverged.
    """

    name: str
    file: str
    facts: Facts
    summary: Mapping[str, Any]
    findings: Sequence[Finding]
    audit: Sequence[Mapping[str, Any]]
    gallery: Gallery
    made: datetime

    @property
    def objective(self) -> Metric:
        return self.facts.study.search.objective

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        return self.facts.trials

    @property
    def shown(self) -> Metric:
        """As which people see the scores."""
        return self.objective.shown

    @property
    def noisy(self) -> float | None:
        """The noisy input's score as people see it; None where it is not known."""
        return self.facts.data["noisy"].get(self.shown.key)

    @property
    def affine(self) -> float | None:
        return (self.facts.data.get("affine") or {}).get(self.shown.key)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [trial_record(trial) for trial in self.trials]

    @property
    def best(self) -> list[FrozenTrial]:
        """The complete trials, best first."""
        return best_first(self.trials, self.objective)

    @property
    def grid(self) -> Grid | None:
        return grid_of(self.facts.study, self.trials)

    @property
    def saved(self) -> Saved:
        return saved(self.facts.study, self.trials)
