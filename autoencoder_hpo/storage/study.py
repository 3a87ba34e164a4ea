"""A study in the database: created, opened, given a budget, halted, renamed, deleted.

The whole study file is stored in the study, and workers read it from there (R14). What else it
keeps is in `study_records`. These are attributes of Optuna's study, which are read-then-write:
whoever changes one does so in a transaction with the study's lock.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, Unpack

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.space import to_params
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.records import StoredTrial, TrialRecord, stored
from autoencoder_hpo.storage.study_records import (
    Budget,
    Changes,
    Halt,
    StoredFile,
    StudyData,
    StudyRecord,
    study_attrs,
)
from autoencoder_hpo.study import NAME, StudyConfig, StudyFile, differences, parse_study


@dataclass(frozen=True, slots=True)
class Counts:
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0

    @property
    def finished(self) -> int:
        """What counts against the budget: a failed trial says nothing about its parameters."""
        return self.complete + self.pruned


@dataclass(frozen=True, slots=True)
class StudyHandle:
    """A study in the database, with the file that it was created from."""

    storage: Storage
    file: StudyFile
    optuna: optuna.Study
    data: StudyData

    @property
    def name(self) -> str:
        """In the database; a study that was renamed keeps its file as it was."""
        return self.optuna.study_name

    @property
    def study(self) -> StudyConfig:
        return self.file.study

    @property
    def number(self) -> int:
        return int(self.optuna._study_id)

    @property
    def lock(self) -> str:
        return study_lock(self.number)

    def on(self, storage: Storage) -> "StudyHandle":
        """The same study in a transaction."""
        return replace(self, storage=storage)

    def record(self) -> StudyRecord:
        """What it keeps beside its trials. Raises KeyError when the study was deleted."""
        return StudyRecord.of(self.storage.optuna.get_study_user_attrs(self.number))

    def write(self, **changes: Unpack[Changes]) -> None:
        """Change these fields of its record; call it in a transaction with the study's lock."""
        self.storage.write_attrs("study_user", self.number, study_attrs(**changes))

    def trials(self) -> list[FrozenTrial]:
        return self.storage.optuna.get_all_trials(self.number, deepcopy=False)

    def stored_trials(self) -> list[StoredTrial]:
        """The same with what we keep of them."""
        return stored(self.trials())

    def best(self) -> FrozenTrial | None:
        return best_of(self.trials(), self.study.search.objective)


class Rated(Protocol):
    """A trial, whoever holds it."""

    @property
    def state(self) -> TrialState: ...

    @property
    def value(self) -> float | None: ...


R = TypeVar("R", bound=Rated)


def best_of(trials: Sequence[R], metric: Metric) -> R | None:
    """The best complete trial; None before there is one."""
    return next(iter(best_first(trials, metric)), None)


def best_first(trials: Sequence[R], metric: Metric) -> list[R]:
    """The complete trials; the earlier of equal ones comes first."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: metric.rank(trial.value or 0.0))


def study_lock(number: int) -> str:
    """The lock of what many workers change; by number, which a new name does not change."""
    return f"study {number}"


def count(trials: Sequence[Rated]) -> Counts:
    states = Counter(trial.state for trial in trials)
    return Counts(
        complete=states[TrialState.COMPLETE],
        pruned=states[TrialState.PRUNED],
        failed=states[TrialState.FAIL],
        running=states[TrialState.RUNNING],
        waiting=states[TrialState.WAITING],
    )


def names(storage: Storage) -> list[str]:
    """The studies in this database, oldest first."""
    return [name for _, name in storage.studies()]


def create_study(storage: Storage, file: StudyFile, data: StudyData) -> StudyHandle:
    """Create the study of this file.

    Raises:
        StudyError: there is a study of this name already.
    """
    with storage.transaction("studies") as tx:
        refuse_taken(tx, file)
        study = new_optuna_study(tx, file.study.name, file)
        budget = Budget(file.budget, file.study.search.timeout)
        for number, config in enumerate(file.study.search.start):
            first = TrialRecord(start=f"search.start {number}")
            study.enqueue_trial(to_params(file.study.space, config), user_attrs=first.as_attrs())
        kept = StoredFile(file.text, file.base, file.where)
        attrs = study_attrs(data=data, budget=budget, file=kept)
        tx.write_attrs("study_user", study._study_id, attrs)
    return StudyHandle(storage, file, find(storage, file.study.name), data)


def new_optuna_study(storage: Storage, name: str, file: StudyFile) -> optuna.Study:
    """A study without trials, improved in the direction of its objective."""
    metric = file.study.search.objective
    study = optuna.create_study(storage=storage.optuna, study_name=name, direction=metric.direction)
    study.set_metric_names([metric.value])  # what the dashboard writes at its axes
    return study


def refuse_taken(storage: Storage, file: StudyFile) -> None:
    """Raises StudyError when there is a study of this file's name."""
    name = file.study.name
    if name in names(storage):
        raise StudyError(
            file.where,
            [
                f"a study named {name} exists already; `autoencoder-hpo resume {name}` goes on "
                "with it, or give this file another name:"
            ],
        )


def find(storage: Storage, name: str) -> optuna.Study:
    """The Optuna study of this name, whoever made it.

    Raises:
        StudyError: there is none; names some that there are.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage.optuna)
    except KeyError:
        known = ", ".join(names(storage)[-5:]) or "none yet"
        raise StudyError(
            f"study {name}", [f"not in {storage.shown} (there are: {known})"]
        ) from None


def open_study(storage: Storage, name: str) -> StudyHandle:
    """Open a study by its name.

    Raises:
        StudyError: there is none, or it was not made by this program.
    """
    study = find(storage, name)
    record = StudyRecord.of(study.user_attrs)
    if record.file is None or record.data is None:
        raise StudyError(
            f"study {name}",
            [
                "this study holds no study file: it was made by another program; "
                f"`autoencoder-hpo delete {name}` removes it"
            ],
        )
    file = parse_study(record.file.text, where=f"study {name}", base=record.file.base)
    return StudyHandle(storage, file, study, record.data)


def agree_with(opened: StudyHandle, file: StudyFile) -> None:
    """Let a study file that is given again raise the budget, and nothing else.

    Raises:
        StudyError: the file differs from the stored one in more than that.
    """
    found = differences(opened.study, file.study)
    if found:
        raise StudyError(
            file.where,
            [
                f"differs from the study {opened.name} in the database: {'; '.join(found)}; undo "
                "the change, or give the file another name: and run it as a new study"
            ],
        )
    grow(opened, Budget(file.budget, file.study.search.timeout))


def grow(opened: StudyHandle, wanted: Budget) -> None:
    """Raise the budget to what is wanted, where that is more."""
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        before = here.record().budget
        after = before.grown(wanted)
        if after != before:
            _set_budget(here, after, new_deadline=after.timeout != before.timeout)


def set_budget(opened: StudyHandle, *, trials: int | None, timeout: float | None) -> None:
    """Set what is given; a timeout (in seconds) runs from the next claim."""
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        before = here.record().budget
        after = Budget(trials or before.trials, timeout or before.timeout)
        _set_budget(here, after, new_deadline=timeout is not None)


def _set_budget(opened: StudyHandle, budget: Budget, *, new_deadline: bool) -> None:
    opened.write(budget=budget)
    if new_deadline:
        opened.write(deadline=None)


def halt_study(opened: StudyHandle, halt: Halt) -> None:
    """Let every worker hand its trial of this study back, and take no other."""
    with opened.storage.transaction(opened.lock) as tx:
        opened.on(tx).write(halt=halt)


def clear_halt(opened: StudyHandle) -> None:
    """Let workers take trials again; failures up to now count no more."""
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        here.write(cleared=len(here.trials()), halt=None)


def rename_study(storage: Storage, number: int, name: str) -> None:
    """Give a study another name.

    Raises:
        StudyError: the name is not one, or taken.
    """
    if not re.fullmatch(NAME, name):
        raise StudyError(
            f"name {name!r}",
            ["must be small letters, digits, dots, dashes and underscores, at most 63"],
        )
    try:
        storage.rows(
            "update studies set study_name = :name where study_id = :number",
            name=name,
            number=number,
        )
    except sqlalchemy.exc.IntegrityError as error:
        raise StudyError(f"name {name}", ["another study has it"]) from error


def delete_study(storage: Storage, name: str) -> None:
    """Remove a study and its trials from the database. Raises StudyError when there is none.

    Whoever tells it something meanwhile waits, and finds it gone: Optuna keeps the whole study,
    and says nothing, where a row came in after it had looked.
    """
    number = find(storage, name)._study_id
    with storage.transaction(study_lock(number)) as tx:
        find(tx, name)
        if tx.is_server:
            for table in ("studies", "trials"):
                tx.rows(f"select from {table} where study_id = :number for update", number=number)
        optuna.delete_study(study_name=name, storage=tx.optuna)


def seconds_left(opened: StudyHandle, record: StudyRecord) -> float | None:
    """Until the study's deadline, by the database's clock; None before its first claim."""
    return None if record.deadline is None else record.deadline - opened.storage.now()
