"""The files of before, and where they are read."""

import json
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
CURVES = FILES / "curves.json"


def read(path: Path) -> Any:
    return json.loads(path.read_text())
