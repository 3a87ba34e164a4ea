"""Study files: read, tried at every corner of their space, compared and summed up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.space import (
    MOST_CORNERS,
    Parameter,
    Tree,
    architectures,
    cell_count,
    corner_count,
    parameters,
)
from autoencoder_hpo.space.holes import Path as TreePath
from autoencoder_hpo.space.holes import hole_key, show
from autoencoder_hpo.study.config import (
    Grid,
    StudyConfig,
    seconds,
)
from autoencoder_hpo.study.problems import Problem
from autoencoder_hpo.study.rules import (
    config_problems,
    hole_problems,
    misplaced_ranges,
    sampler_notes,
    search_problems,
)
from autoencoder_hpo.study.starts import start_entries
from autoencoder_hpo.study.wording import validated
from autoencoder_hpo.study.yamlfile import Document, parse_yaml, read_text

MOST_PROBLEMS = 20  # said at once
MAY_GROW = ("search.trials", "search.timeout")


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A study and the text it came from; `base` is the folder of relative data paths."""

    study: StudyConfig
    text: str
    where: str
    base: str
    shipped: bool = False
    """Whether it was asked for by its name, so that a stored study of that name comes first."""

    @property
    def budget(self) -> int | None:
        """Trials to finish; the cells of a grid that sets no number; None for a timeout alone."""
        return _budget(self.study)


def load_study(path: Path) -> StudyFile:
    """Read a study file. Raises StudyError with a line for everything that is wrong."""
    base = str(path.absolute().parent)
    return parse_study(read_text(path), where=str(path), base=base)


def parse_study(text: str, *, where: str, base: str) -> StudyFile:
    """Read a study file's text, such as the one that the database keeps."""
    document = parse_yaml(text, where)
    study, problems = _checked(document.tree)
    if problems or study is None:
        raise StudyError(where, _placed(problems, document))
    return StudyFile(study, text, where, base)


def _checked(tree: Tree) -> tuple[StudyConfig | None, list[Problem]]:
    """The study, and what is wrong with it: each part is tried as far as the others allow."""
    problems = misplaced_ranges(tree)
    study, found = validated(StudyConfig, tree)
    problems += [problem for problem in found if not _is_below(problem, problems)]
    if isinstance(tree.get("trial"), dict):
        problems += hole_problems(tree["trial"]) or config_problems(tree["trial"], study)
    if study is None or problems:
        return None, problems
    entries, problems = start_entries(study)
    search = study.search.model_copy(update={"start": entries})
    return study.model_copy(update={"search": search}), problems + search_problems(study)


def _is_below(problem: Problem, known: Sequence[Problem]) -> bool:
    """Whether a place has been complained about already."""
    return any(problem.at[: len(other.at)] == other.at for other in known)


def _placed(problems: Sequence[Problem], document: Document) -> list[str | tuple[int, str]]:
    lines = {(document.line(problem.at), str(problem)): None for problem in problems}
    placed: list[str | tuple[int, str]] = [*sorted(lines, key=lambda line: line[0])]
    more = len(placed) - MOST_PROBLEMS
    return [*placed[:MOST_PROBLEMS], f"and {more} more problems"] if more > 0 else placed


def parse_duration(text: str) -> float:
    """`30m`, `2h`, `90s`, `1h30m` or a number of seconds. Raises StudyError for anything else."""
    try:
        found = float(text) if text.replace(".", "", 1).isdecimal() else float(seconds(text))
    except ValueError as error:
        raise StudyError("timeout", [str(error)]) from error
    if not (0 < found < math.inf):
        raise StudyError("timeout", [f"found {text!r}; must be above 0"])
    return found


def _budget(study: StudyConfig) -> int | None:
    if study.search.trials is None and isinstance(study.search.sampler, Grid):
        return cell_count(study.space)
    return study.search.trials


# ---- one study or two ------------------------------------------------------------------


def differences(stored: StudyConfig, given: StudyConfig) -> list[str]:
    """In what a study that is given again differs from the stored one; its budget may grow."""
    one, other = _leaves(stored), _leaves(given)
    return [
        f"{path}: stored {show(one.get(path))}, given {show(other.get(path))}"
        for path in dict.fromkeys([*one, *other])
        if one.get(path) != other.get(path)
        and not (path in MAY_GROW and _has_grown(one[path], other[path]))
    ]


def _has_grown(stored: float | None, given: float | None) -> bool:
    return stored is not None and given is not None and given > stored


def _leaves(study: StudyConfig) -> Tree:
    """Every value of a study by its path; a range is one value."""
    leaves: Tree = {}

    def visit(tree: Any, path: TreePath) -> None:
        nested = isinstance(tree, list) and any(isinstance(item, dict) for item in tree)
        if isinstance(tree, dict) and tree and hole_key(tree) in (None, "choice"):
            for key, value in tree.items():
                visit(value, (*path, key))
        elif nested:
            for index, value in enumerate(tree):
                visit(value, (*path, index))
        else:
            leaves[".".join(map(str, path))] = tree

    dumped = study.model_dump(exclude={"description", "task"})
    visit({**dumped, "task": study.task.model_dump(mode="json")}, ())
    return leaves | {"search.trials": _budget(study)}


# ---- what `check` says -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """What a study spans. `cells` is the size of a grid; None for other samplers."""

    name: str
    parameters: Sequence[Parameter]
    architectures: int
    corners: int
    budget: int | None
    timeout: float | None
    cells: int | None
    notes: Sequence[str]

    def lines(self) -> list[str]:
        width = max((len(parameter.name) for parameter in self.parameters), default=0)
        return [
            f"{self.name}: good; {len(self.parameters)} parameters, "
            f"{self.architectures:,} architectures, {self._tried()} tried",
            *(f"  {each.name:<{width}}  {_spans(each)}" for each in self.parameters),
            f"budget: {self._budget()}",
            *(f"note: {note}" for note in self.notes),
        ]

    def _tried(self) -> str:
        if self.corners <= MOST_CORNERS:
            return f"{self.corners:,} corners"
        return f"{MOST_CORNERS:,} of {self.corners:,} corners"

    def _budget(self) -> str:
        cells = None if self.cells is None else f"{self.cells:,} grid cells"
        trials = None if self.budget is None else f"{self.budget:,} trials"
        timeout = None if self.timeout is None else f"{self.timeout / 60:g} minutes"
        return ", ".join(filter(None, (trials, cells, timeout)))


def check_summary(file: StudyFile) -> CheckSummary:
    """What `autoencoder-hpo check` reports of a good study file."""
    study = file.study
    grid = isinstance(study.search.sampler, Grid)
    return CheckSummary(
        name=study.name,
        parameters=parameters(study.space),
        architectures=architectures(study.space),
        corners=corner_count(study.space),
        budget=file.budget,
        timeout=study.search.timeout,
        cells=cell_count(study.space) if grid else None,
        notes=sampler_notes(study),
    )


def _spans(parameter: Parameter) -> str:
    """Such as: 0.0001 to 0.1, log · adam | sgd."""
    if parameter.kind == "categorical":
        return " | ".join(
            choice if isinstance(choice, str) else show(choice) for choice in parameter.choices
        )
    ends = f"{show(parameter.low)} to {show(parameter.high)}"
    step = f", step {show(parameter.step)}" if parameter.step not in (None, 1) else ""
    return f"{ends}{step}{', log' if parameter.log else ''}"
