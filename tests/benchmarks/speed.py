"""All speed benchmarks in turn, and docs/speed.md with what they found.

    python tests/benchmarks/speed.py [--only throughput search …] [--no-runs]

An hour and a half on two quiet cores; where there is a GPU, half an hour more. Figures go to docs/speed/, one
file for each benchmark; tables, marks and plots in docs/speed.md are made from them.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from results import fill_in, table

HERE = Path(__file__).parent
DOCS = HERE.parent.parent / "docs"
FIGURES = DOCS / "speed"
BENCHMARKS = (
    "throughput", "agreement", "search", "overhead", "scaling", "threads", "start", "memory",
    "stacking", "refill", "stacked_search", "schedules", "halving", "gpu",
)  # fmt: skip
MARKS = (
    ("CPU, one core each, geometric mean; nowhere slower", "≥ 2× the plain style", "throughput",
     "times as fast as the plain style, geometric mean over the table"),
    ("CPU, search", "the plain script's best in ≤ 1/2 of the time in which it found it", "search",
     "share of the time in which the plain script found its best"),
    ("… of its whole time", "", "search", "share of the plain script's whole time"),
    ("… of the median over seeds", "", "search",
     "the median over seeds is as good as plain's in the end"),
    ("CPU, 2 workers on 2 cores", "≥ 90% efficiency", "scaling", "efficiency of 2 workers"),
    ("beside the training", "≤ 2% of a 10-second trial", "overhead", "beside the training"),
    ("SQL statements of a 20-epoch trial", "≤ half of stock Optuna's", "overhead",
     "statements of a trial"),
    ("start of a worker to its first step, images cached", "≤ 6 s", "start",
     "a worker's first step, s"),
    ("… of which `import torch`", "", "start", "import torch, s"),
    ("memory of a worker", "≤ images + 3 × model states + a stated constant", "memory",
     "beside images and three states"),
    ("GPU, one trial, graphed", "≥ 15× the plain style (mlp), ≥ 5× (conv, unet)", "gpu", ""),
    ("GPU, stacked", "≥ 40× the plain style for small models, busy ≥ 80%", "gpu", ""),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--no-runs", action="store_true", help="only make the page again")
    given = parser.parse_args()
    for name in () if given.no_runs else given.only:
        if name == "gpu" and not torch.cuda.is_available():
            print("gpu: no GPU here")
            continue
        print(f"== {name}", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), "--out", str(FIGURES)]
        subprocess.run(command, check=True)
    write_page(DOCS / "speed.md")


def write_page(page: Path) -> None:
    """Fill in what lies between the page's marks."""
    found = {name: _figures(name) for name in BENCHMARKS}
    parts = {"marks": _marks(found)} | {
        name: _section(figures) for name, figures in found.items() if figures
    }
    fill_in(page, parts)
    if found["throughput"] and found["search"]:
        draw_speed(
            found["throughput"]["rows"], found["search"]["curves"], DOCS / "images/speed.png"
        )
    if found["stacked_search"]:
        draw_stacked(found["stacked_search"]["curves"], DOCS / "images/stacked.png")


def _figures(name: str) -> dict[str, Any]:
    path = FIGURES / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _marks(found: dict[str, dict[str, Any]]) -> str:
    rows = []
    for where, mark, name, key in MARKS:
        figures = found[name]
        measured = figures["summary"].get(key, "see below") if figures else "not measured"
        rows.append({"what": where, "mark": mark, "measured: median (from, to)": measured})
    return table(rows)


def _section(figures: dict[str, Any]) -> str:
    machine = figures["machine"]
    summary = "\n".join(f"- {what}: {figure}" for what, figure in figures["summary"].items())
    made = f"{machine['cpu']}, torch {machine['torch']}, at {machine['git']}"
    return f"{summary}\n- measured on {made}\n\n{table(figures['rows'])}"


def draw_speed(
    throughput: list[dict[str, Any]],
    search: dict[str, dict[str, list[list[float]]]],
    path: Path,
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 3.4), layout="constrained", width_ratios=[2, 1]
    )
    names = [f"{row['model']}\n{row['batch']}" for row in throughput]
    middle = [row["times as fast"] for row in throughput]
    spread = [
        [row["times as fast"] - row["from"] for row in throughput],
        [row["to"] - row["times as fast"] for row in throughput],
    ]
    left.bar(names, middle, yerr=spread, capsize=2, color="#1f5fbf")
    left.axhline(1, color="black", linewidth=0.8)
    left.set(title="images a second on one CPU core: times the plain style's")
    left.set(xlabel="model, batch size")
    left.tick_params(axis="x", labelsize=7)
    until = max(points[-1][0] for curves in search.values() for points in curves.values())
    seconds = [until * step / 200 for step in range(201)]
    for side, color in (("plain", "#777777"), ("ours", "#1f5fbf")):
        columns = [
            [_best(curves[side], second) for curves in search.values()] for second in seconds
        ]
        middle, least, most = (
            [_drawn(of(column)) for column in columns] for of in (statistics.median, min, max)
        )
        right.plot(seconds, middle, color, label=side)
        right.fill_between(seconds, least, most, color=color, alpha=0.2)
    right.set(title=f"best validation MSE, {len(search)} seeds", xlabel="seconds", yscale="log")
    right.legend()
    figure.savefig(path, dpi=80)


def _best(points: list[list[float]], seconds: float) -> float:
    """The best value after so many seconds; infinite before there is one."""
    return min((best for ended, best in points if ended <= seconds), default=math.inf)


def _drawn(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def draw_stacked(curves: dict[str, list[list[float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for side, color in (("alone", "#555555"), ("workers", "#c07a1f"), ("stacked", "#1f5fbf")):
        columns = list(zip(*curves[side], strict=True))
        after = range(1, len(columns) + 1)
        axis.plot(after, [statistics.median(column) for column in columns], color, label=side)
        axis.fill_between(after, [*map(min, columns)], [*map(max, columns)], color=color, alpha=0.2)
    axis.set(xlabel="trials", ylabel="best validation MSE", yscale="log")
    axis.legend()
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
