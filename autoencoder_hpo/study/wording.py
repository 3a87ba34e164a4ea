"""What pydantic minds, in plain words: where it stood, what was found, what is allowed."""

import copy
import difflib
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from autoencoder_hpo.config import (
    Corruption,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    ScheduleConfig,
    Strict,
)
from autoencoder_hpo.space import Tree
from autoencoder_hpo.space.holes import Path, show
from autoencoder_hpo.study.config import PrunerConfig, SamplerConfig
from autoencoder_hpo.study.problems import Problem

M = TypeVar("M", bound=Strict)
MISSING = "is missing"
KINDS: dict[str, Any] = {  # the fields that hold one of several kinds of mappings
    "data": DataConfig,
    "corruption": Corruption,
    "model": ModelConfig,
    "optimizer": OptimizerConfig,
    "schedule": ScheduleConfig,
    "sampler": SamplerConfig,
    "pruner": PrunerConfig,
}


def validated(model: type[M], tree: Tree) -> tuple[M | None, list[Problem]]:
    """The tree as this model, or all that is wrong with it.

    An unknown key hides what else is wrong in its mapping, so it is tried again without.
    """
    problems: dict[Problem, None] = {}
    misspelt: set[Path] = set()
    while True:
        try:
            found = model.model_validate(tree)
            return (None if problems else found), list(problems)
        except ValidationError as error:
            new = explain(error, tree)
        problems |= {
            problem: None
            for problem in new
            if not (problem.text == MISSING and problem.path[:-1] in misspelt)
        }
        unknown = [problem for problem in new if problem.at != problem.path]
        if not unknown:
            return None, list(problems)
        tree = copy.deepcopy(tree)
        for problem in unknown:
            misspelt.add(problem.path)
            _remove(tree, problem.at)


def _remove(tree: Any, path: Path) -> None:
    *above, last = path
    for key in above:
        tree = tree[key]
    for key in [key for key in tree if str(key) == last]:
        del tree[key]


def explain(error: ValidationError, tree: Any) -> list[Problem]:
    """One problem for each place at which pydantic refuses the tree."""
    found: dict[Path, list[ErrorDetails]] = {}
    for item in error.errors():
        path = _plain_path(item, tree)
        found.setdefault(path, []).append(item)
    return [_problem(path, items) for path, items in found.items()]


def _plain_path(item: ErrorDetails, tree: Any) -> Path:
    """The error's place without the tags of unions that pydantic puts into it."""
    path: list[str | int] = []
    here, tagged = tree, False
    for step in item["loc"]:
        if not tagged and isinstance(here, dict) and step == _kind(here):
            tagged = True
        elif _holds(here, step):
            here, tagged = here[step], False
            path.append(step)
    if item["type"] == "missing":
        path.append(item["loc"][-1])
    elif item["type"] == "union_tag_invalid" and isinstance(here, dict):
        path.append(_tag_key(item))
    return tuple(path)


def _kind(tree: Tree) -> Any:
    return tree.get("kind", tree.get("dataset"))


def _holds(tree: Any, step: str | int) -> bool:
    return step in tree if isinstance(tree, dict) else isinstance(tree, list)


def _tag_key(item: ErrorDetails) -> str:
    return str(item["ctx"]["discriminator"]).strip("'")


def _problem(path: Path, items: Sequence[ErrorDetails]) -> Problem:
    item = items[0]
    match item["type"]:
        case _ if item["loc"][-1:] == ("[key]",):
            return Problem(path, path, f"found {show(item['input'])} as a key; keys are text")
        case "unknown_key":
            return Problem((*path, item["ctx"]["key"]), path, item["msg"])
        case "missing":
            return Problem(path, path, MISSING)
        case "value_error":
            return Problem(path, path, str(item["ctx"]["error"]))
        case "union_tag_invalid":
            tag, expected = item["ctx"]["tag"], item["ctx"]["expected_tags"].replace("'", "")
            return Problem(path, path, f"found {tag!r}; allowed: {expected}{_hint(tag, expected)}")
        case "union_tag_not_found" | "model_attributes_type":
            return _no_kind(path, item)
    allowed = ", or ".join(dict.fromkeys(map(_allowed, items)))
    allowed = allowed.replace(", or must be", ", or").replace(", or allowed:", ", or")
    return Problem(path, path, f"found {show(item['input'])}; {allowed}")


def _no_kind(path: Path, item: ErrorDetails) -> Problem:
    key = "dataset" if path[-1] == "data" else "kind"
    kinds = ", ".join(_tags(path, key))
    if isinstance(item["input"], dict):
        return Problem((*path, key), (*path, key), f"is missing; allowed: {kinds}")
    found = show(item["input"])
    return Problem(path, path, f"found {found}; must be a mapping with {key}: one of {kinds}")


def _tags(path: Path, key: str) -> list[str]:
    try:
        TypeAdapter(KINDS[str(path[-1])]).validate_python({key: ""})
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["expected_tags"]).replace("'", "").split(", ")
    raise AssertionError("no kind is called nothing")


def _allowed(item: ErrorDetails) -> str:
    limits = item.get("ctx", {})
    match item["type"]:
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return "must be a whole number"
        case "float_type" | "float_parsing":
            return "must be a number"
        case "finite_number":
            return "must be a finite number"
        case "bool_type" | "bool_parsing":
            return "must be true or false"
        case "string_type" | "path_type":
            return "must be text"
        case "greater_than":
            return f"must be above {_limit(limits['gt'])}"
        case "greater_than_equal":
            return f"must be at least {_limit(limits['ge'])}"
        case "less_than":
            return f"must be below {_limit(limits['lt'])}"
        case "less_than_equal":
            return f"must be at most {_limit(limits['le'])}"
        case "literal_error" | "enum":
            allowed = limits["expected"].replace("'", "").replace(" or ", ", ")
            return f"allowed: {allowed}{_hint(item['input'], allowed)}"
        case "string_pattern_mismatch":
            return "must be up to 63 of a-z, 0-9, '.', '-', '_', and begin with a letter or digit"
        case "model_type" | "dict_type":
            return "must be a mapping"
        case "list_type":
            return "must be a list"
        case _:
            return item["msg"].replace("Input should", "must")


def _limit(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _hint(found: Any, allowed: str) -> str:
    close = difflib.get_close_matches(str(found), allowed.split(", "), 1)
    return f" (did you mean {close[0]}?)" if close else ""
