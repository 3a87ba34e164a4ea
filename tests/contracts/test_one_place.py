"""Nothing but `metric` knows what better means: no other module names a direction, or asks which."""

import ast
import re
from pathlib import Path

import pytest

from autoencoder_hpo.config.metric import Metric

PACKAGE = Path(__file__).parents[2] / "autoencoder_hpo"
HOME = "config/metric.py"
NAMES = {metric.value for metric in Metric} | {metric.name for metric in Metric}
DIRECTIONS = {"minimize", "maximize", "MINIMIZE", "MAXIMIZE"}


def knowing(source: str) -> list[int]:
    """Lines that compare something with a metric, or hold a direction.

    An exhaustive `match` over the metrics is no such line: mypy finds the one that forgets a metric.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare():
                sides = [node.left, *node.comparators]
                wrong = any(_word(side) in NAMES for side in sides) and not _is_lookup(node)
            case ast.Constant() | ast.Attribute() | ast.Name():
                wrong = _word(node) in DIRECTIONS
            case _:
                wrong = False
        if wrong:
            found.append(node.lineno)
    return found


def _word(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return None


def _is_lookup(node: ast.Compare) -> bool:
    """Whether a record has a score: `"val_psnr" in attrs`."""
    return isinstance(node.left, ast.Constant) and isinstance(node.ops[0], ast.In | ast.NotIn)


def test_no_other_module_knows_what_better_means() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE) != Path(HOME) and (lines := knowing(path.read_text()))
    }
    assert found == {}


def test_no_page_knows_it_either() -> None:
    asked = re.compile(rf"[=!]=\s*[\"'](?:{'|'.join(NAMES)})[\"']")
    pages = (PACKAGE / "report" / "templates").iterdir()
    assert [page.name for page in pages if asked.search(page.read_text())] == []


@pytest.mark.parametrize(
    "line",
    [
        'sign = 1 if by == "val_mse" else -1',
        'sign = -1 if search.objective != "val_psnr" else 1',
        'direction = {"val_mse": "minimize"}[by]',
        "direction = StudyDirection.MAXIMIZE",
        "best = max(values) if metric is Metric.VAL_PSNR else min(values)",
        'up = objective in ("val_psnr",) or objective == VAL_PSNR',
    ],
)
def test_the_check_can_fail(line: str) -> None:
    assert set(knowing(line)) == {1}


def test_what_a_record_has_may_be_asked() -> None:
    assert knowing('known = "val_psnr" in attrs') == []
