"""What must hold between the parts of a study; what a sampler can and cannot do with a space."""

from collections.abc import Iterator
from typing import Any

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.space import (
    Filled,
    Parameter,
    Tree,
    cell_count,
    corners,
    grid_problems,
    inner_points,
    parameters,
)
from autoencoder_hpo.space.holes import Path, SpaceError, hole_key, show, space_problems
from autoencoder_hpo.study.config import (
    CmaEs,
    GaussianProcess,
    Grid,
    Hyperband,
    Median,
    NoPruner,
    Percentile,
    StudyConfig,
    Tpe,
)
from autoencoder_hpo.study.problems import Problem, epoch_problems
from autoencoder_hpo.study.wording import validated

# ---- ranges where none may be ----------------------------------------------------------


def misplaced_ranges(tree: Tree) -> list[Problem]:
    """Holes in `task` and `search`."""
    reasons = {
        "task": "what is compared must be the same for every trial",
        "search": "only trial is searched",
    }
    return [
        Problem(path, path, f"found {show(hole)}; a range is not allowed in {part}: {reason}")
        for part, reason in reasons.items()
        for path, hole in _holes_below(tree.get(part), (part,))
    ]


def _holes_below(tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    match tree:
        case dict() if hole_key(tree):
            yield path, tree
        case dict():
            for key, value in tree.items():
                yield from _holes_below(value, (*path, key))
        case list() if path == ("search", "start"):
            for index, entry in enumerate(tree):
                yield from _holes_below(entry, (*path, index))
        case list():
            yield path, tree


# ---- the space -------------------------------------------------------------------------


def hole_problems(trial: Any) -> list[Problem]:
    """What is wrong with the ranges of a space."""
    return [_in_trial(problem) for problem in space_problems(trial)]


def _in_trial(problem: SpaceError) -> Problem:
    path = problem.path
    unknown_key = bool(path) and str(problem).startswith("unknown key")
    return Problem(
        ("trial", *path),
        ("trial", *_without_choices(path[:-1] if unknown_key else path)),
        str(problem),
    )


def _without_choices(path: Path) -> Path:
    """The path of a filled tree: without `choice` and the option's position."""
    if "choice" not in path:
        return path
    at = path.index("choice")
    return path[:at] + _without_choices(path[at + 2 :])


def config_problems(trial: Tree, study: StudyConfig | None) -> list[Problem]:
    """Try every corner as a trial config, and against the rest once that is known."""
    found: dict[Problem, None] = {}
    for filled in [*corners(trial), *inner_points(trial)]:
        found |= dict.fromkeys(_filled_problems(filled, trial, study))
    return list(found)


def _filled_problems(filled: Filled, trial: Tree, study: StudyConfig | None) -> list[Problem]:
    config, problems = validated(TrialConfig, filled.config)
    if config and study:
        problems = [
            *epoch_problems(config, study.task),
            *_output_problems(config, study.search.objective),
        ]
    return [
        Problem(
            ("trial", *_source(problem.at, filled)),
            ("trial", *problem.path),
            problem.text + _when(problem, filled, trial),
        )
        for problem in problems
    ]


def _source(path: Path, filled: Filled) -> Path:
    """Where in the space a place of the filled config came from."""
    known = path
    while known not in filled.origin:
        known = known[:-1]
    return filled.origin[known] + path[len(known) :]


def _when(problem: Problem, filled: Filled, trial: Tree) -> str:
    """An unknown key may be known for another kind: say for which it is not."""
    source = filled.origin.get((*problem.path, "kind"))
    if source is None or not problem.text.startswith("unknown key"):
        return ""
    space: Any = trial
    config: Any = filled.config
    for key in source:
        space = space[key]
    for key in problem.path:
        config = config[key]
    if not isinstance(space, list):
        return ""
    return f" (for kind {config['kind']}; with choice: each kind has its own keys)"


def _output_problems(config: TrialConfig, metric: Metric) -> list[Problem]:
    """A model whose pixels the objective cannot measure."""
    at: Path = ("model", "output")
    refused = metric.refuses_output(config.model.output)
    return [] if refused is None else [Problem(at, at, refused)]


# ---- the search ------------------------------------------------------------------------


def search_problems(study: StudyConfig) -> list[Problem]:
    """What the budget, the sampler and the pruner ask of each other and of the space."""
    return [*_budget_problems(study), *_sampler_problems(study), *_pruner_problems(study)]


def _budget_problems(study: StudyConfig) -> list[Problem]:
    search = study.search
    if isinstance(search.sampler, Grid):
        return _grid_problems(study)
    if search.trials is None and search.timeout is None:
        text = "has no end; add trials: 50, or timeout: 30m, or both"
        return [Problem(("search",), ("search",), text)]
    return []


def _grid_problems(study: StudyConfig) -> list[Problem]:
    problems = [_in_trial(problem) for problem in grid_problems(study.space)]
    if study.search.start:
        text = "a grid visits its cells and nothing else; leave start out"
        problems.append(_in_search("start", text))
    if problems or study.search.trials is None:
        return problems
    cells = cell_count(study.space)
    if study.search.trials > cells:
        text = f"found {study.search.trials}; the grid has {cells} cells"
        problems.append(_in_search("trials", text))
    return problems


def _sampler_problems(study: StudyConfig) -> list[Problem]:
    shared = [parameter for parameter in parameters(study.space) if not parameter.conditional]
    numerical = [parameter for parameter in shared if parameter.kind != "categorical"]
    match study.search.sampler:
        case CmaEs() if len(numerical) < 2:
            text = (
                f"cmaes needs two or more ranges that every trial has, and the space has "
                f"{len(numerical)}; use tpe"
            )
            return [_in_search("sampler", text)]
        case GaussianProcess() if not shared:
            text = "gp needs a range or list that every trial has, and the space has none; use tpe"
            return [_in_search("sampler", text)]
        case _:
            return []


def _pruner_problems(study: StudyConfig) -> list[Problem]:
    pruner, epochs = study.search.pruner, study.task.epochs
    if isinstance(pruner, Hyperband) and pruner.min_resource > epochs:
        text = f"hyperband's min_resource, {pruner.min_resource}, is above task.epochs, {epochs}"
        return [_in_search("pruner", text)]
    return []


def _in_search(key: str, text: str) -> Problem:
    return Problem(("search", key), ("search", key), text)


def sampler_notes(study: StudyConfig) -> list[str]:
    """What a person should know about the sampler and pruner on this space."""
    space = parameters(study.space)
    notes = [] if space else ["the space has no ranges: every trial trains the same config"]
    return [*notes, *_independent(study, space), *_never_learns(study), *_never_prunes(study)]


def _independent(study: StudyConfig, space: list[Parameter]) -> Iterator[str]:
    sampler, pruner = study.search.sampler, study.search.pruner
    if not isinstance(sampler, CmaEs | GaussianProcess):
        return
    only_numbers = isinstance(sampler, CmaEs)
    alone = [
        parameter.name
        for parameter in space
        if parameter.conditional or (only_numbers and parameter.kind == "categorical")
    ]
    if alone:
        yield f"{sampler.kind} draws these at random: {', '.join(alone)}"
    if not isinstance(pruner, NoPruner):
        yield (
            f"{sampler.kind} learns only from complete trials, not from those that the "
            f"{pruner.kind} pruner ends"
        )


def _never_learns(study: StudyConfig) -> Iterator[str]:
    trials = study.search.trials
    match study.search.sampler:
        case (Tpe() | GaussianProcess() | CmaEs()) as sampler:
            if trials is not None and sampler.startup_trials >= trials:
                yield (
                    f"{sampler.kind} draws its first {sampler.startup_trials} trials at random: "
                    f"with {trials} trials it never learns"
                )


def _never_prunes(study: StudyConfig) -> Iterator[str]:
    match study.search.pruner:
        case (Median() | Percentile()) as pruner if pruner.warmup_epochs >= study.task.epochs:
            yield f"the {pruner.kind} pruner's warm-up leaves it no epoch to prune in"
