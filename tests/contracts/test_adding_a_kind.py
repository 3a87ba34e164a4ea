"""What CONTRIBUTING.md says of adding a kind is true, and whoever forgets something is told.

Its five diffs are applied to a copy of this repository, together. Those in `forgotten/` come on
top: each takes back one thing that is easily forgotten, and names who sees it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = {
    "A corruption": ("quantization", "test_corruption.py"),
    "A model": ("dncnn", "test_model.py"),
    "A data set": ("npy_folder", "test_source.py"),
    "A penalty": ("total_variation", "test_trial_config.py"),
    "An objective": ("val_l1", "test_metric.py"),
}
"""By the page's heading: what the names of its tests contain, and where its contract is."""
TAKES = {
    "A corruption": {"class": 1, "arm": 2},
    "A model": {"class": 1, "module": 1, "arm": 1},
    "A data set": {"class": 1, "function": 1, "arm": 1},
    "A penalty": {"function": 1},
    "An objective": {"arm": 1},
}
"""What is written in the package, beside fields, rows, imports and names in a union."""
OF_ALL_KINDS = (
    "only_two_modules_know", "no_other_module", "every_model_is_in", "every_kind_has_an_example",
    "shipped_schema_is_the_current", "imports_point_one_way",
)  # fmt: skip
"""Tests that look at all kinds at once."""
TESTS = ("tests/contracts", "tests/test_shipped_studies.py", "tests/test_architecture.py")
SERVER = "command_line"
"""A test that needs a PostgreSQL: its start would be a third of all this."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """One thing that is forgotten or wrong in an addition that is otherwise right."""

    name: str
    diff: str
    tests: tuple[str, ...]
    """Begins of the names of tests that fail, without their file."""
    types: tuple[tuple[str, str], ...]
    """A file of the package, and what mypy says of it."""


def additions() -> dict[str, str]:
    """The page's diffs by their headings."""
    _, page = (ROOT / "CONTRIBUTING.md").read_text().split("\n## Add a kind\n")
    found = re.findall(r"^### (.+?)$.*?^```diff\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return dict(found)


def forgotten() -> list[Forgotten]:
    """Each begins with who sees it: a test, or mypy with a file and some words."""
    found = []
    for path in sorted((Path(__file__).parent / "forgotten").glob("*.diff")):
        text = path.read_text()
        tests = re.findall(r"^Seen by (test_.+)$", text, re.MULTILINE)
        types = re.findall(r"^Seen by mypy: (\S+?): (.+)$", text, re.MULTILINE)
        found.append(Forgotten(path.stem, text, tuple(tests), tuple(types)))
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository with all five kinds."""
    folder = tmp_path / "repository"
    ignored = shutil.ignore_patterns("__pycache__", Path(__file__).name)
    for name in ("autoencoder_hpo", "tests", "studies", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for title, diff in additions().items():
        apply(diff, folder, f"the diff of {title!r} in CONTRIBUTING.md")
    return folder


def apply(diff: str, folder: Path, what: str) -> None:
    ended = run("git", "apply", "-", folder=folder, given=diff)
    assert ended.returncode == 0, f"{what} fits no more: {ended.stderr}"


def run(*command: str, folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """As if somebody worked in this folder alone."""
    outer = {name for name in os.environ if name.startswith(("GIT_", "PYTEST_"))}
    own = {name: value for name, value in os.environ.items() if name not in outer}
    env = {**own, "PYTHONPATH": str(folder), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return subprocess.run(command, cwd=folder, env=env, input=given, capture_output=True, text=True)


def python(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", *words, folder=folder)


def outcome(folder: Path, names: Iterable[str]) -> tuple[list[str], list[str], str]:
    """Which of the tests with these parts of a name pass and fail, and all that was said."""
    chosen = f"not {SERVER} and ({' or '.join(names)})"
    options = ("-n", "0", "-q", "--tb=short", "-rpfE", "-k", chosen)
    said = python("pytest", *options, *TESTS, folder=folder).stdout
    passed = re.findall(r"^PASSED (.+)$", said, re.MULTILINE)
    failed = re.findall(r"^(?:FAILED|ERROR) (.+)$", said, re.MULTILINE)
    return passed, failed, said


def test_mypy_and_ruff_take_the_page_and_mypy_names_what_is_forgotten(copy: Path) -> None:
    if (known := ROOT / ".mypy_cache").exists():
        shutil.copytree(known, copy / ".mypy_cache")
    for command in (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)):
        ended = python(*command, folder=copy)
        assert ended.returncode == 0, ended.stdout
    some = [each for each in forgotten() if each.types]
    for each in some:
        apply(each.diff, copy, each.name)
    said = python("mypy", folder=copy).stdout
    for each in some:
        for file, words in each.types:
            seen = [line for line in said.splitlines() if f"/{file}:" in line and words in line]
            assert seen, f"mypy does not see {each.name} in {file}:\n{said}"


def test_what_the_page_adds_keeps_every_contract(copy: Path) -> None:
    schema = python("autoencoder_hpo", "schema", folder=copy)
    (copy / "studies" / "study.schema.json").write_text(schema.stdout)
    passed, failed, said = outcome(copy, [*(name for name, _ in KINDS.values()), *OF_ALL_KINDS])
    assert not failed, said
    for name, file in KINDS.values():
        assert any(name in test and file in test for test in passed), f"no test of {name} ran"
    for name in OF_ALL_KINDS:
        assert any(name in test for test in passed), f"{name} did not run"
    for each in forgotten():
        for test in each.tests:
            assert any(f"::{test}" in one for one in passed), f"{test} ({each.name}) did not run"


def test_what_is_forgotten_fails_the_tests_that_name_it(copy: Path) -> None:
    some = [each for each in forgotten() if each.tests]
    for each in some:
        apply(each.diff, copy, each.name)
    _, failed, said = outcome(copy, [test for each in some for test in each.tests])
    for each in some:
        for test in each.tests:
            assert any(f"::{test}" in one for one in failed), f"{test} misses {each.name}:\n{said}"


def test_every_kind_is_on_the_page_and_takes_no_more_than_it_should() -> None:
    assert {title: written(diff) for title, diff in additions().items()} == TAKES


def written(diff: str) -> Counter[str]:
    """What a diff adds to the package: its new modules count as a whole."""
    counted: Counter[str] = Counter()
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        if "+++ b/autoencoder_hpo/" not in part:
            continue
        if part.startswith("/dev/null"):
            counted["module"] += 1
            continue
        for what, line in (("class", "class "), ("function", "def "), ("arm", "        case ")):
            if number := part.count(f"\n+{line}"):
                counted[what] += number
    return counted


def test_of_every_kind_something_is_forgotten() -> None:
    """What a test sees, besides what mypy does."""
    assert all(each.tests or each.types for each in forgotten())
    for name, _ in KINDS.values():
        assert any(name in test for each in forgotten() for test in each.tests), name
