"""All that a report says of a study, as values: formats only put them into words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.report.gallery import Gallery
from autoencoder_hpo.report.grids import Grid, grid_of
from autoencoder_hpo.report.pruning import Saved, saved
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Summary
from autoencoder_hpo.storage.study import best_first


@dataclass(frozen=True, slots=True)
class Contents:
    """A study as it is reported; nothing in it needs the database again.

    Attributes:
        name: in the database; a study that was renamed keeps its file as it was.
        file: the text of the study file.
    """

    name: str
    file: str
    facts: Facts
    summary: Summary
    findings: Sequence[Finding]
    gallery: Gallery
    made: datetime

    @property
    def objective(self) -> Metric:
        return self.facts.study.search.objective

    @property
    def trials(self) -> Sequence[StoredTrial]:
        return self.facts.trials

    @property
    def shown(self) -> Metric:
        """As which people see the scores."""
        return self.objective.shown

    @property
    def noisy(self) -> float | None:
        """The noisy input's score as people see it; None where it is not known."""
        return self.facts.data.noisy.by(self.shown)

    @property
    def affine(self) -> float | None:
        return self.facts.data.affine_by(self.shown)

    @property
    def best(self) -> list[StoredTrial]:
        """The complete trials, best first; those that another program completed have no score."""
        scored = [trial for trial in self.trials if self.shown.found_in(trial.record) is not None]
        return best_first(scored, self.objective)

    @property
    def grid(self) -> Grid | None:
        return grid_of(self.facts.study, self.trials)

    @property
    def saved(self) -> Saved:
        return saved(self.facts.study, self.trials)
