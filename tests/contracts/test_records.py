"""Two modules know how trials and studies are stored; no other one looks up a stored key."""

import ast
from pathlib import Path

import pytest

from autoencoder_hpo.storage import records, study_records
from autoencoder_hpo.storage.records import STORED_KEYS
from autoencoder_hpo.storage.study_records import KEYS

PACKAGE = Path(__file__).parents[2] / "autoencoder_hpo"
HOMES = {"storage/records.py", "storage/study_records.py"}
HOME_MODULES = {records.__name__, study_records.__name__}
CARRIERS = {
    "archive.py": "an export holds all attributes unread, those of other programs too",
    "cli/manage.py": "a study of another program is deleted as well",
    "dashboard/view.py": "optuna-dashboard reads attributes, and is given fewer",
    "storage/study.py": "a study of Optuna's is asked whether it is ours",
    "worker/trial.py": "a trial that goes on is Optuna's before it is ours",
}
"""Modules that hand attributes on as they are to one of the two."""
OF_ANOTHER_FILE = {
    "archive.py": ({"start"}, "when a trial began, in an export"),
    "finalize/packing.py": ({"looks"}, "scores.json has them with fewer fields"),
    "finalize/retraining.py": ({"best_epoch", "parameters"}, "the file of a retrained model"),
    "training/checkpoint.py": ({"config"}, "a checkpoint"),
    "training/loop.py": ({"history", "losses", "at_once"}, "a checkpoint"),
    "worker/outcomes.py": ({"reason", "cause"}, "a checkpoint"),
    "worker/trial.py": ({"seconds"}, "a checkpoint"),
}
"""Keys of the same name that are stored elsewhere."""
STORED = (STORED_KEYS | set(KEYS.values())) - {"data"}  # plotly's figures have `data` too


def looked_up(source: str) -> set[str]:
    """Stored keys that are looked up in a mapping, such as `x["history"]`, `x.get(WORKER)`."""
    found, tree = set(), ast.parse(source)
    constants = imported(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=key):
                pass
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[key, *_]):
                pass
            case _:
                continue
        match key:
            case ast.Constant(value=str(name)) if name in STORED:
                found.add(name)
            case ast.Name(id=name) if name in constants:
                found.add(name)
    return found


def imported(tree: ast.Module) -> set[str]:
    """Constants that come from the two modules."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in HOME_MODULES
        for alias in node.names
        if alias.name.isupper()
    }


def asks_optuna(source: str) -> bool:
    """Whether it reads the attributes of a trial or a study."""
    nodes = ast.walk(ast.parse(source))
    return any(isinstance(node, ast.Attribute) and node.attr == "user_attrs" for node in nodes)


def modules() -> dict[str, str]:
    found = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    return {name: source for name, source in found.items() if name not in HOMES}


def test_no_other_module_looks_up_a_stored_key() -> None:
    found = {name: looked_up(source) for name, source in modules().items()}
    allowed = {name: keys for name, (keys, _) in OF_ANOTHER_FILE.items()}
    assert {name: keys for name, keys in found.items() if keys} == allowed


def test_no_other_module_reads_attributes() -> None:
    assert {name for name, source in modules().items() if asks_optuna(source)} == set(CARRIERS)


@pytest.mark.parametrize(
    "line",
    [
        'trial.user_attrs["history"]',
        'attrs.get("scores")',
        'record["val_mse"]',
        'epoch.get("val_psnr", 0)',
        f"from {records.__name__} import CONFIG\nattrs[CONFIG]",
        f"from {study_records.__name__} import BUDGET\nattrs.get(BUDGET)",
        'opened.attrs()["looks"]',
    ],
)
def test_the_check_can_fail(line: str) -> None:
    assert looked_up(line)


def test_attributes_are_found_wherever_they_are_read() -> None:
    assert asks_optuna("names = set(study.best_trial.user_attrs)")
    assert not asks_optuna("trial.record.scores.val_mse")
