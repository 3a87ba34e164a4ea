"""What the database knows of a study beside its trials: its file, data, budget and halt.

The whole study file is stored in the study, and workers read it from there (R14). These
records are study attributes of Optuna, which are read-then-write: whoever changes one does so
in a transaction with the study's lock.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.space import to_params
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.study import NAME, Study, StudyFile, differences, parse_study

FILE = "study_file"
DATA = "data"
BUDGET = "budget"
DEADLINE = "deadline"
HALTED = "halted"
CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a study may do. `trials` counts COMPLETE and PRUNED; `timeout` is in seconds."""

    trials: int | None
    timeout: float | None

    def grown(self, other: "Budget") -> "Budget":
        return Budget(_larger(self.trials, other.trials), _larger(self.timeout, other.timeout))


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
class Halt:
    """Why no worker takes a trial, or goes on with one, until `resume` clears it.

    A paused study keeps its workers waiting; a stopped one ends them.
    """

    kind: Literal["paused", "stopped"]
    reason: str
    by_hand: bool = True


@dataclass(frozen=True, slots=True)
class StudyHandle:
    """A study in the database, with the file that it was created from."""

    storage: Storage
    file: StudyFile
    optuna: optuna.Study
    data: dict[str, Any]
    """What its images are: hash, counts, scores of the noisy ones and of the affine filter.

    It never changes; studies of version 0.1 lack `affine`.
    """

    @property
    def name(self) -> str:
        """In the database; a study that was renamed keeps its file as it was."""
        return self.optuna.study_name

    @property
    def study(self) -> Study:
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

    def attrs(self) -> dict[str, Any]:
        """Its records. Raises KeyError when the study was deleted."""
        return self.storage.optuna.get_study_user_attrs(self.number)

    def attr(self, key: str) -> Any:
        return self.attrs().get(key)

    def set_attrs(self, **attrs: Any) -> None:
        self.storage.write_attrs("study_user", self.number, attrs)

    def trials(self) -> list[FrozenTrial]:
        return self.storage.optuna.get_all_trials(self.number, deepcopy=False)

    def budget(self) -> Budget:
        return Budget(**self.attr(BUDGET))

    def halt(self) -> Halt | None:
        return halt_of(self.attrs())

    def best(self) -> FrozenTrial | None:
        return best_of(self.trials(), self.study.search.objective)


def best_of(trials: Sequence[FrozenTrial], metric: Metric) -> FrozenTrial | None:
    """The best complete trial; None before there is one."""
    return next(iter(best_first(trials, metric)), None)


def best_first(trials: Sequence[FrozenTrial], metric: Metric) -> list[FrozenTrial]:
    """The complete trials; the earlier of equal ones comes first."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    return sorted(complete, key=lambda trial: metric.rank(trial.value or 0.0))


def halt_of(attrs: Mapping[str, Any]) -> Halt | None:
    halt = attrs.get(HALTED)
    return None if halt is None else Halt(**halt)


def study_lock(number: int) -> str:
    """The lock of what many workers change; by number, which a new name does not change."""
    return f"study {number}"


def count(trials: Sequence[FrozenTrial]) -> Counts:
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


def create_study(storage: Storage, file: StudyFile, data: dict[str, Any]) -> StudyHandle:
    """Create the study of this file. `data` is what its images are: hash, counts, scores.

    Raises:
        StudyError: there is a study of this name already.
    """
    with storage.transaction("studies") as tx:
        refuse_taken(tx, file)
        study = new_optuna_study(tx, file.study.name, file)
        budget = Budget(file.budget, file.study.search.timeout)
        for number, config in enumerate(file.study.search.start):
            study.enqueue_trial(
                to_params(file.study.trial, config), user_attrs={"start": f"search.start {number}"}
            )
        records = {
            DATA: data,
            BUDGET: {"trials": budget.trials, "timeout": budget.timeout},
            FILE: {"text": file.text, "base": file.base, "where": file.where},
        }
        tx.write_attrs("study_user", study._study_id, records)
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
    attrs = study.user_attrs
    stored = attrs.get(FILE)
    if stored is None:
        raise StudyError(
            f"study {name}",
            [
                "this study holds no study file: it was made by another program; "
                f"`autoencoder-hpo delete {name}` removes it"
            ],
        )
    file = parse_study(stored["text"], where=f"study {name}", base=stored["base"])
    return StudyHandle(storage, file, study, attrs[DATA])


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
        before = here.budget()
        after = before.grown(wanted)
        if after != before:
            _set_budget(here, after, new_deadline=after.timeout != before.timeout)


def set_budget(opened: StudyHandle, *, trials: int | None, timeout: float | None) -> None:
    """Set what is given; a timeout (in seconds) runs from the next claim."""
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        before = here.budget()
        after = Budget(trials or before.trials, timeout or before.timeout)
        _set_budget(here, after, new_deadline=timeout is not None)


def _set_budget(opened: StudyHandle, budget: Budget, *, new_deadline: bool) -> None:
    opened.set_attrs(**{BUDGET: {"trials": budget.trials, "timeout": budget.timeout}})
    if new_deadline:
        opened.set_attrs(**{DEADLINE: None})


def halt_study(opened: StudyHandle, halt: Halt) -> None:
    """Let every worker hand its trial of this study back, and take no other."""
    with opened.storage.transaction(opened.lock) as tx:
        write_halt(opened.on(tx), halt)


def write_halt(opened: StudyHandle, halt: Halt) -> None:
    """Call it in a transaction with the study's lock."""
    opened.set_attrs(**{HALTED: asdict(halt)})


def clear_halt(opened: StudyHandle) -> None:
    """Let workers take trials again; failures up to now count no more."""
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        here.set_attrs(**{CLEARED: len(here.trials()), HALTED: None})


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


def _larger(one: Any, other: Any) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)


def seconds_left(opened: StudyHandle, attrs: Mapping[str, Any]) -> float | None:
    """Until the study's deadline, by the database's clock; None before its first claim."""
    deadline = attrs.get(DEADLINE)
    return None if deadline is None else deadline - opened.storage.now()
