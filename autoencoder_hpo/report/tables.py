"""A report's tables of trials: rows of values, which a format puts into words."""

from dataclasses import dataclass

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.wording import clipped, short_names, tried, value
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Best
from autoencoder_hpo.text import SCORES

BEST = 10
"""Trials in the table of the best."""


@dataclass(frozen=True, slots=True)
class BestRow:
    """One of the best trials. `tried`: its parameters, in a line."""

    best: Best
    tried: str

    @property
    def trial(self) -> StoredTrial:
        return self.best.trial


@dataclass(frozen=True, slots=True)
class TrialRow:
    """Any trial. `said`: why it ended early; `tried`: its parameters, both in a line."""

    trial: StoredTrial
    said: str
    tried: str


def best_table(contents: Contents) -> list[BestRow]:
    """The best trials, with what each tried."""
    affine, metric = contents.facts.data.affine, contents.objective
    return [
        BestRow(Best.of(trial, affine, metric), tried(trial.params))
        for trial in contents.best[:BEST]
    ]


def own_columns(contents: Contents) -> list[Metric]:
    """What the study improves, where a table of scores has no column for it."""
    return [metric for metric in [contents.objective] if metric.short not in SCORES]


def trials_table(contents: Contents) -> list[TrialRow]:
    """Every trial: how it ended, what it reached and what it tried."""
    names = short_names({name for trial in contents.trials for name in trial.params})
    return [
        TrialRow(
            trial,
            said=clipped(trial.record.reason or ""),
            tried=", ".join(f"{names[n]} {value(v)}" for n, v in trial.params.items()),
        )
        for trial in contents.trials
    ]
