"""Where a study's trials were trained, and how to come to the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.storage.records import RunRecord, StoredTrial


@dataclass(frozen=True, slots=True)
class Environment:
    """What so many trials were trained with. `facts`: device, threads, versions and the like."""

    trials: int
    facts: Mapping[str, str]


def environments(trials: Sequence[StoredTrial]) -> list[Environment]:
    """The different ones, that of most trials first."""
    met: dict[str, int] = {}
    for trial in trials:
        if trial.record.run is not None:
            facts = json.dumps(_facts(trial.record.run))
            met[facts] = met.get(facts, 0) + 1
    found = [Environment(number, json.loads(facts)) for facts, number in met.items()]
    return sorted(found, key=lambda each: -each.trials)


def _facts(run: RunRecord) -> dict[str, str]:
    return {
        "device": run.device,
        "processor": run.cpu,
        "threads": str(run.threads),
        "precision": run.precision,
        "code": run.git or "no git checkout",
        **run.versions,
    }


def commands(contents: Contents) -> list[tuple[str, str]]:
    """Commands, and what each does."""
    name, best = contents.name, contents.summary.best
    again = [
        (
            f"autoencoder-hpo run {name}.yaml",
            "the same search in another database, from the study file below",
        ),
        (f"autoencoder-hpo export {name} {name}.json.gz", "the whole study in a file"),
    ]
    if best is None:
        return again
    number = best.number
    return [
        (f"autoencoder-hpo reproduce {name} {number}", "train the best trial again, and compare"),
        (f"autoencoder-hpo show {name} {number}", "everything that is stored of it"),
        (f"autoencoder-hpo finalize {name}", "an honest winner, tested once"),
        *again,
    ]
