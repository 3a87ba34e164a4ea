"""Every field of a study file is read by somebody: one that nobody reads is a promise not kept.

Fields of a trial are not looked for here: each has to change the curve (`test_trial_config`).
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from autoencoder_hpo.config import DataConfig, Strict, Task
from autoencoder_hpo.study.config import PrunerConfig, SamplerConfig, SearchConfig

PACKAGE = Path(__file__).parents[2] / "autoencoder_hpo"
HOMES = ("config/", "study/config.py")
"""Where fields are declared and checked. Who checks a field does not do yet what it says."""
UNREAD: Mapping[str, str] = {}
"""Fields that nobody has to read, such as `Task.seed`, and why."""
PARTS: tuple[type[Strict], ...] = (
    Task,
    SearchConfig,
    *(kind for union in (DataConfig, SamplerConfig, PrunerConfig)
      for kind in get_args(get_args(union)[0])),
)  # fmt: skip


def names_read(source: str) -> Iterator[str]:
    """Of attributes: `task.seed`, or `case Task(seed=seed)`. What is assigned to is not read."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Load()):
                yield name
            case ast.MatchClass(kwd_attrs=names):
                yield from names


@cache
def read_somewhere() -> frozenset[str]:
    sources = [
        path.read_text()
        for path in PACKAGE.rglob("*.py")
        if not path.relative_to(PACKAGE).as_posix().startswith(HOMES)
    ]
    return frozenset(name for source in sources for name in names_read(source))


def unread(part: type[Strict]) -> list[str]:
    return [name for name in part.model_fields if name not in read_somewhere()]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_is_read(part: type[Strict]) -> None:
    excused = {name.split(".")[1] for name in UNREAD if name.startswith(f"{part.__name__}.")}
    found = set(unread(part))
    assert found <= excused, "nobody reads these; a reason why not goes into UNREAD"
    assert excused <= found, "these are read, or no fields any more: take them out of UNREAD"


def test_a_field_that_nobody_reads_is_found() -> None:
    class Wider(Task):
        augment: bool = False

    assert unread(Wider) == ["augment"]


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("task.seed", {"seed"}),
        ("match task:\n    case Task(seed=0): pass", {"seed"}),
        ("task.seed = 1", set()),
        ('seed = {"seed": 1}', set()),
    ],
)
def test_what_reading_is(line: str, read: set[str]) -> None:
    assert set(names_read(line)) == read
