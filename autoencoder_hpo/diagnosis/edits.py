"""Remedies as lines of the study file: a path, and a value that the file may hold there.

A path is the place in the file, with the kind where a choice stands: `trial.model.unet.channels`.
Every value that is proposed was tried: the study with it is one that `create` would take.
"""

import copy
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Literal

from pydantic import ValidationError

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.diagnosis.proposals import line, unet_for, written
from autoencoder_hpo.diagnosis.time_budget import has_time_for
from autoencoder_hpo.space import FixedSuggester, Tree, corners, fill, to_params
from autoencoder_hpo.space.holes import (
    Choice,
    Fields,
    Hole,
    IntRange,
    Listed,
    Node,
    Path,
    Range,
    Scalar,
    SpaceError,
    read_space,
)
from autoencoder_hpo.study.problems import epoch_problems
from autoencoder_hpo.study.rules import config_problems

End = Literal["low", "high"]
Given = Mapping[str, Scalar]
FACTORS = (3.0, 2.0, 1.5)  # by which an end of a log range moves, as far as its field allows
SHARES = (0.5, 0.25, 0.1)  # of its width by which an end of another range moves


def path_of(facts: Facts, hole: Hole) -> str:
    """Where a hole stands in the study file."""
    node: Node = read_space(facts.study.space)
    said, steps = ["trial"], list(hole.source)
    while steps:
        step = steps.pop(0)
        match node:
            case Choice(options=options):
                label = list(options)[int(steps.pop(0))]
                node = options[label]
                said.append(str(label))
            case Fields(fields=fields):
                node = fields[str(step)]
                said.append(str(step))
    return ".".join(said)


# ---- ranges ----------------------------------------------------------------------------


def widened(facts: Facts, hole: Range, given: Given, end: End) -> str | None:
    """The range with this end moved outwards; None where its field or the time allows no more."""
    for value in _outwards(hole, end):
        low, high = (value, hole.high) if end == "low" else (hole.low, value)
        changed = _range(hole, low, high)
        params = {**given, hole.name: value}
        if has_time_for(facts, hole, value) and _is_allowed(facts, hole, changed, params):
            return line(path_of(facts, hole), changed)
    return None


def cut(facts: Facts, hole: Range, given: Given, end: End, value: float) -> str | None:
    """The range with this end moved inside of a value; None where nothing would be left."""
    value = _inside(hole, end, value)
    low, high = (value, hole.high) if end == "low" else (hole.low, value)
    changed = _range(hole, low, high)
    if low < high and _is_allowed(facts, hole, changed, {**given, hole.name: value}):
        return line(path_of(facts, hole), changed)
    return None


def _outwards(hole: Range, end: End) -> Iterator[int | float]:
    """Where this end may move to, the furthest first."""
    now = hole.low if end == "low" else hole.high
    for moved in _moved(hole, end):
        if isinstance(hole, IntRange) or hole.step is not None:
            moved = _on_a_step(hole, now, moved, end)
        else:
            moved = float(f"{moved:.2g}")
        if (moved < now) if end == "low" else (moved > now):
            yield moved


def _inside(hole: Range, end: End, value: float) -> float:
    """The next value on the inner side of this one: a step, or two digits, away."""
    inwards = 1 if end == "low" else -1
    if hole.step is not None:
        return float(Decimal(str(value)) + inwards * Decimal(str(hole.step)))
    exponent = Decimal(str(value)).adjusted() - 1
    rounding = ROUND_CEILING if end == "low" else ROUND_FLOOR
    return float(Decimal(str(value)).quantize(Decimal(1).scaleb(exponent), rounding=rounding))


def _moved(hole: Range, end: End) -> Iterator[float]:
    if hole.log:
        yield from (hole.low / by if end == "low" else hole.high * by for by in FACTORS)
        return
    width = hole.high - hole.low
    yield from (
        hole.low - share * width if end == "low" else hole.high + share * width for share in SHARES
    )
    if end == "low" and hole.low > 0:
        yield 0.0  # where the limit of most fields is


def _on_a_step(hole: Range, now: float, moved: float, end: End) -> int | float:
    """At least one whole step away from where the end is now."""
    step = Decimal(str(hole.step or 1))
    steps = max(1, round(abs(Decimal(str(moved)) - Decimal(str(now))) / step))
    found = Decimal(str(now)) + (-steps if end == "low" else steps) * step
    return int(found) if isinstance(hole, IntRange) else float(found)


def _range(hole: Range, low: float, high: float) -> Tree:
    whole = isinstance(hole, IntRange)
    ends = [int(low), int(high)] if whole else [float(low), float(high)]
    changed: Tree = {"int" if whole else "float": ends}
    if hole.step is not None and not (whole and hole.step == 1):
        changed["step"] = hole.step
    if hole.log:
        changed["log"] = True
    return changed


def _is_allowed(facts: Facts, hole: Hole, changed: Tree, params: Given) -> bool:
    """Whether the study may hold this, and a model of these parameters takes its images."""
    tree = _with(facts.study.space, hole.source, changed)
    try:
        config = TrialConfig.model_validate(fill(tree, FixedSuggester(params)).config)
        config.model.check(facts.data.shape)
    except (SpaceError, ValidationError, ValueError):
        return False
    return not epoch_problems(config, facts.study.task) and _starts_fit(facts, tree)


def _starts_fit(facts: Facts, tree: Tree) -> bool:
    """Whether the configs of `search.start` are still in the space."""
    try:
        for config in facts.study.search.start:
            to_params(tree, config)
    except SpaceError:
        return False
    return True


def _with(tree: Tree, source: Path, changed: Any) -> Tree:
    result = copy.deepcopy(tree)
    *above, last = source
    here: Any = result
    for key in above:
        here = here[key]
    here[last] = changed
    return result


# ---- choices ---------------------------------------------------------------------------


def without(facts: Facts, hole: Listed | Choice, option: Scalar) -> tuple[str, str | None]:
    """How to drop an option, in words; and as a line where one line says it."""
    path = path_of(facts, hole)
    match hole:
        case Listed(values=values):
            left = [value for value in values if value != option]
            fits = _starts_fit(facts, _with(facts.study.space, hole.source, left))
            change = line(path, left[0] if len(left) == 1 else left) if fits else None
            return f"Drop {written(option)} from {path}.", change
        case Choice(options=options):
            others = ", ".join(str(label) for label in options if label != option)
            return f"Drop the option {option} from {path}; this leaves {others}.", None


# ---- models and the search -------------------------------------------------------------


def small_unet(facts: Facts) -> str | None:
    """A unet in place of the models; None where there is one, or the study cannot take it."""
    unet = unet_for(facts.data.shape)
    kinds = {config.config["model"]["kind"] for config in corners(facts.study.space)}
    if unet and facts.study.search.objective.refuses_output("residual"):
        unet = {**unet, "output": "sigmoid"}
    tree = {**facts.study.space, "model": unet}
    if unet is None or unet["kind"] in kinds or not _starts_fit(facts, tree):
        return None
    return None if config_problems(tree, facts.study) else line("trial.model", unet)


def pruner_with(facts: Facts, **changes: Any) -> str:
    """The pruner with these fields changed, and the others as they are."""
    pruner = facts.study.search.pruner
    stated = pruner.model_dump(exclude_defaults=True)
    return line("search.pruner", {"kind": pruner.kind, **stated, **changes})
