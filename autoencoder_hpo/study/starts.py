"""The configs of `search.start`: tried first, and checked before."""

import copy
from typing import Any

from pydantic import ValidationError

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.space import FixedSuggester, Tree, UnknownKey, fill, to_params
from autoencoder_hpo.space.holes import Path, SpaceError, show
from autoencoder_hpo.study.config import StudyConfig
from autoencoder_hpo.study.problems import Problem, epoch_problems
from autoencoder_hpo.study.wording import explain


def start_entries(study: StudyConfig) -> tuple[list[Tree], list[Problem]]:
    """The configs of `search.start`, reduced to what the space can choose.

    A whole config, such as another study's winner, also holds fields that the space leaves
    at their defaults; these may be there as long as they are the defaults.
    """
    entries: list[Tree] = []
    problems: list[Problem] = []
    for index, entry in enumerate(study.search.start):
        place: Path = ("search", "start", index)
        kept = copy.deepcopy(entry)
        try:
            _check_entry(study, kept)
            entries.append(kept)
        except SpaceError as problem:
            path = (*place, *problem.path)
            shown = path[:-1] if isinstance(problem, UnknownKey) else path
            problems.append(Problem(path, shown, str(problem)))
        except ValidationError as error:
            problems += [
                Problem((*place, *found.at), (*place, *found.path), found.text)
                for found in explain(error, entry)
            ]
    return entries, problems


def _check_entry(study: StudyConfig, entry: Tree) -> None:
    """Remove from the entry what is not in the space; raise unless it is the default."""
    params, removed = _reduce(study.space, entry)
    config = TrialConfig.model_validate(fill(study.space, FixedSuggester(params)).config)
    for late in epoch_problems(config, study.task):
        raise SpaceError(late.path, late.text)
    whole = config.model_dump(mode="json")
    for unknown, value in removed:
        default = _look_up(whole, unknown)
        if not _agrees(default, value):
            raise SpaceError(
                unknown.path,
                f"found {show(value)}; the space leaves it at {show(default)}: give trial a "
                "list or range for it",
            )


def _reduce(trial: Tree, entry: Tree) -> tuple[Tree, list[tuple[UnknownKey, Any]]]:
    """The entry's parameters; what is not in the space is taken out of it and returned."""
    removed: list[tuple[UnknownKey, Any]] = []
    while True:
        try:
            return to_params(trial, entry), removed
        except UnknownKey as unknown:
            removed.append((unknown, _pop(entry, unknown.path)))


def _pop(tree: Any, path: Path) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree.pop(path[-1])


def _look_up(tree: Any, unknown: UnknownKey) -> Any:
    """What a whole config has there; no config has a misspelt key."""
    for key in unknown.path:
        if not isinstance(tree, dict) or key not in tree:
            raise unknown
        tree = tree[key]
    return tree


def _agrees(default: Any, given: Any) -> bool:
    if isinstance(given, dict) and isinstance(default, dict):
        return all(key in default and _agrees(default[key], given[key]) for key in given)
    return bool(default == given)
