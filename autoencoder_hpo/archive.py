"""A whole study in a file: from the embedded database to a server, or into an archive."""

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.errors import DiskError, StudyError
from autoencoder_hpo.files import write_atomically
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.records import without_worker
from autoencoder_hpo.storage.study import StudyHandle, names, new_optuna_study, open_study
from autoencoder_hpo.storage.study_records import StudyRecord, without_pictures
from autoencoder_hpo.study import parse_study

FORMAT = "autoencoder-hpo study"
VERSION = 1


def export_study(opened: StudyHandle, path: Path) -> int:
    """Write the study and its trials as gzipped JSON; returns how many trials.

    Raises:
        DiskError: the file cannot be written; a file that was there stays as it was.
    """
    trials = [_pack(trial) for trial in opened.trials()]
    content = {
        "format": FORMAT,
        "version": VERSION,
        "name": opened.name,
        "attributes": opened.optuna.user_attrs,
        "trials": trials,
    }
    try:
        with write_atomically(path) as file, gzip.open(file, "wt", encoding="utf-8") as out:
            json.dump(content, out)
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}; choose another place") from error
    return len(trials)


def import_study(storage: Storage, path: Path) -> StudyHandle:
    """Create the study that `export_study` wrote.

    Trials that were running wait for a worker. The checkpoints and pictures stay where they are.

    Raises:
        StudyError: the file is not an export, is damaged, or its study exists here already.
    """
    content = _read(path)
    name = content["name"]
    with storage.transaction("studies") as tx:
        if name in names(tx):
            raise StudyError(
                path, [f"a study named {name} exists already in {storage.shown}; delete it first"]
            )
        _create(tx, path, content)
    return open_study(storage, name)


def _create(storage: Storage, path: Path, content: dict[str, Any]) -> None:
    attributes = without_pictures(content["attributes"])
    stored = StudyRecord.of(attributes).file
    if stored is None:
        raise StudyError(path, ["the study in it was made by another program"])
    file = parse_study(stored.text, where=str(path), base=stored.base)
    trials = [_unpack(packed) for packed in content["trials"]]
    study = new_optuna_study(storage, content["name"], file)
    storage.write_attrs("study_user", study._study_id, attributes)
    study.add_trials(trials)


def _read(path: Path) -> dict[str, Any]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError as error:
        raise StudyError(path, ["there is no such file"]) from error
    except (OSError, EOFError, ValueError) as error:
        raise StudyError(path, [f"not a study export, or damaged ({error})"]) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StudyError(path, ["not a study export; `autoencoder-hpo export NAME FILE` makes one"])
    if content["version"] > VERSION:
        raise StudyError(
            path,
            [f"written by a newer version (format {content['version']}); upgrade autoencoder-hpo"],
        )
    return content


def _pack(trial: FrozenTrial) -> dict[str, Any]:
    running = trial.state is TrialState.RUNNING
    return {
        "state": (TrialState.WAITING if running else trial.state).name,
        "values": trial.values,
        "params": trial.params,
        "distributions": {
            name: distribution_to_json(distribution)
            for name, distribution in trial.distributions.items()
        },
        "user_attrs": without_worker(trial.user_attrs) if running else trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": {str(k): v for k, v in trial.intermediate_values.items()},
        "start": _when(trial.datetime_start),
        "complete": _when(trial.datetime_complete),
    }


def _unpack(packed: dict[str, Any]) -> FrozenTrial:
    trial = optuna.trial.create_trial(
        state=TrialState[packed["state"]],
        values=packed["values"],
        params=packed["params"],
        distributions={
            name: json_to_distribution(text) for name, text in packed["distributions"].items()
        },
        user_attrs=packed["user_attrs"],
        system_attrs=packed["system_attrs"],
        intermediate_values={int(k): v for k, v in packed["intermediate_values"].items()},
    )
    trial.datetime_start = _parse_when(packed["start"])
    trial.datetime_complete = _parse_when(packed["complete"])
    return trial


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _parse_when(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
