"""The report as values for programs: JSON with everything, CSV with a row for each trial."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from autoencoder_hpo.report.comparing import Comparison
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.origins import environments
from autoencoder_hpo.report.parameters import weights
from autoencoder_hpo.report.timeline import spans
from autoencoder_hpo.report.wording import clipped, verdict
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import summary_json, trial_json

FORMAT = "autoencoder-hpo report"
COLUMNS = (
    "study",
    "trial",
    "state",
    "val_mse",
    "val_psnr",
    "val_ssim",
    "psnr_gain",
    "best_epoch",
    "epochs",
    "parameters",
    "seconds",
    "reason",
)


def as_json(contents: Contents) -> str:
    return json.dumps(values(contents), indent=2, ensure_ascii=False) + "\n"


def comparison_json(comparison: Comparison) -> str:
    known = {
        "format": FORMAT,
        "version": 1,
        "made": comparison.made.isoformat(),
        "warnings": list(comparison.warnings),
        "comparison": [asdict(row) for row in comparison.rows],
        "studies": [values(each) for each in comparison.studies],
    }
    return json.dumps(known, indent=2, ensure_ascii=False) + "\n"


def values(contents: Contents) -> dict[str, Any]:
    """Everything that the page shows and more, but the pictures."""
    grid, audit = contents.grid, [asdict(each) for each in contents.facts.audit]
    return {
        "format": FORMAT,
        "version": 1,
        "made": contents.made.isoformat(),
        **summary_json(contents.summary),
        "verdict": verdict(contents),
        "data": contents.facts.data.as_record(),
        "findings": [{**asdict(each), "docs": each.docs} for each in contents.findings],
        "importances": weights(contents),
        "grid": None if grid is None else grid.as_record(),
        "pruning": {**asdict(contents.saved), "audit": audit},
        "timeline": [asdict(span) for span in spans(contents.trials, contents.made)],
        "environments": [asdict(each) for each in environments(contents.trials)],
        "file": contents.file,
        "trials": [trial_json(trial) for trial in contents.trials],
    }


def as_csv(several: Sequence[Contents]) -> str:
    """A row for each trial of these studies, and a column for each parameter that one has."""
    params = dict.fromkeys(n for each in several for trial in each.trials for n in trial.params)
    metrics = [each.objective.value for each in several if each.objective.value not in COLUMNS]
    out = io.StringIO()
    columns = [*COLUMNS, *dict.fromkeys(metrics), *params]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for contents in several:
        for trial in contents.trials:
            writer.writerow(_row(contents, trial))
    return out.getvalue()


def _row(contents: Contents, trial: StoredTrial) -> dict[str, Any]:
    record, metric = trial.record, contents.objective
    scores = {} if record.scores is None else record.scores.as_record()
    known = {
        **{name: scores.get(name) for name in COLUMNS},
        metric.value: metric.found_in(record.scores),
        "study": contents.name,
        "trial": trial.number,
        "state": trial.ending,
        "best_epoch": record.best_epoch,
        "epochs": len(record.epochs or trial.intermediate_values),
        "parameters": record.parameters,
        "seconds": record.seconds,
        "reason": clipped(record.reason or ""),
        **trial.params,
    }
    return {name: _inert(given) for name, given in known.items()}


def _inert(given: Any) -> Any:
    """A text that begins like a formula is none for a spreadsheet (OWASP, CSV injection)."""
    return f"'{given}" if isinstance(given, str) and given[:1] in "=+-@\t\r" and given else given
