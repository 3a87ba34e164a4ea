"""Where the figures of a benchmark go: a line of JSON each, then a table, and a file.

Every benchmark takes `--out FOLDER` and writes FOLDER/NAME.json there, of which speed.py makes
docs/speed.md.
"""

import argparse
import json
import os
import re
from pathlib import Path
from statistics import median
from typing import Any

from autoencoder_hpo.provenance import cpu_name, git_state, versions

Row = dict[str, Any]


def parser(description: str | None) -> argparse.ArgumentParser:
    """With the option that every benchmark has."""
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    found.add_argument("--out", type=Path, help="a folder for the figures")
    return found


class Results:
    """Rows of figures, and what they come to."""

    def __init__(self, name: str, out: Path | None) -> None:
        self.name = name
        self.out = out
        self.rows: list[Row] = []
        self.summary: dict[str, str] = {}
        self.curves: dict[str, Any] = {}
        """For plots, and for nobody's eyes."""

    def row(self, row: Row) -> None:
        self.rows.append(row)
        print(json.dumps(row), flush=True)

    def sum_up(self, what: str, figure: str) -> None:
        self.summary[what] = figure
        print(f"{what}: {figure}", flush=True)

    def save(self) -> None:
        print(table(self.rows))
        if self.out is None:
            return
        machine = {"cpu": cpu_name(), "cores": os.cpu_count(), **versions(), "git": git_state()}
        found = {
            "machine": machine, "rows": self.rows, "summary": self.summary, "curves": self.curves
        }  # fmt: skip
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / f"{self.name}.json").write_text(json.dumps(found, indent=1) + "\n")


def table(rows: list[Row]) -> str:
    """In Markdown."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def fill_in(page: Path, parts: dict[str, str]) -> None:
    """Put each part between its marks, `<!-- NAME -->` and the next `<!-- end -->`."""
    text = page.read_text()
    for name, part in parts.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text, count = between.subn(lambda found, part=part: found[1] + part + found[2], text)  # type: ignore[misc]
        assert count == 1, f"{page} has no place for {name}"
    page.write_text(text)


def spread(figures: list[float], digits: int = 2) -> str:
    """The median, and from where to where."""
    middle, least, most = (f"{x:.{digits}f}" for x in (median(figures), min(figures), max(figures)))
    return f"{middle} ({least} to {most})"
