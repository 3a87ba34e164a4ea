"""A report's tables of trials: rows of values, which a format puts into words."""

from typing import Any

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.wording import clipped, short_names, tried, value
from autoencoder_hpo.storage.status import best_record
from autoencoder_hpo.text import SCORES

BEST = 10
"""Trials in the table of the best."""


def best_table(contents: Contents) -> list[dict[str, Any]]:
    """The best trials, as `status.best_record` has them, with what each tried in a line."""
    affine = contents.facts.data.get("affine")
    records = [best_record(trial, affine, contents.objective) for trial in contents.best[:BEST]]
    return [{**record, "tried": tried(record["params"])} for record in records]


def own_columns(contents: Contents) -> list[Metric]:
    """What the study improves, where a table of scores has no column for it."""
    return [metric for metric in [contents.objective] if metric.short not in SCORES]


def trials_table(contents: Contents) -> list[dict[str, Any]]:
    """Every trial: how it ended, what it reached and what it tried."""
    names = short_names({name for trial in contents.trials for name in trial.params})
    return [
        {
            **record,
            "reached": contents.trials[place].user_attrs.get("val_psnr"),
            "epochs": len(contents.trials[place].user_attrs.get("history") or ()),
            "said": clipped(record["reason"] or ""),
            "tried": ", ".join(f"{names[n]} {value(v)}" for n, v in record["params"].items()),
        }
        for place, record in enumerate(contents.records)
    ]
