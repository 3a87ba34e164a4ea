"""From a study to a finished denoiser, and docs/results.md with what its test images say.

    python tests/benchmarks/denoisers.py [--only fashion-mnist …] [--folder FOLDER] [--no-runs]

For each: the study, then `finalize`, both on all cores. An hour and a quarter each on two cores;
stopped, the same command with the same `--folder` goes on. Figures go to docs/results/, one file
for each denoiser, of which the tables of docs/results.md are made.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import yaml
from results import fill_in, table

from autoencoder_hpo.provenance import cpu_name, git_state, versions

ROOT = Path(__file__).parent.parent.parent
PAGE, FIGURES = ROOT / "docs/results.md", ROOT / "docs/results"
SHIPPED = {"fashion-mnist": "fashion_mnist", "fashion-mnist-strong": "fashion_mnist_strong"}
PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
    "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
PHOTOGRAPHS_STUDY: dict[str, Any] = {
    "name": "photographs",
    "task": {
        "data": {"dataset": "folder", "path": "photographs", "color": "grey", "patch": 64,
                 "patches": 96, "validation": 2, "test": 4},
        "corruption": {"kind": "gaussian", "sigma": 0.1},
        "epochs": 40,
    },
    "search": {"sampler": "tpe", "pruner": {"kind": "median", "warmup_epochs": 5},
               "trials": 12, "timeout": "25m"},
    "trial": {
        "optimizer": {"kind": "adamw", "learning_rate": {"float": [5e-4, 1e-2], "log": True}},
        "schedule": {"kind": "cosine"},
        "batch_size": [8, 16],
        "model": {"kind": "unet", "depth": {"int": [1, 3]},
                  "channels": {"int": [8, 24], "log": True}},
    },
}  # fmt: skip
NAMES = (*SHIPPED, "photographs")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--folder", type=Path, default=Path("denoisers"), help="for the studies")
    parser.add_argument("--no-runs", action="store_true", help="only make the page again")
    given = parser.parse_args()
    for name in () if given.no_runs else given.only:
        made = make(name, given.folder.absolute())
        FIGURES.mkdir(exist_ok=True)
        (FIGURES / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
    write_page()


def make(name: str, folder: Path) -> dict[str, Any]:
    """Run the study, finalize it; the figures of both."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "AUTOENCODER_HPO_HOME": str(folder / "home")}
    environment.pop("AUTOENCODER_HPO_STORAGE", None)

    def run(step: str, *words: str) -> str:
        print("==", *words, flush=True)
        with timed(folder / f"{name}.minutes.json", step):
            done = subprocess.run(
                [sys.executable, "-m", "autoencoder_hpo", *words],
                env=environment, stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
        return done.stdout

    run("study", "run", str(study_file(name, folder)))
    bundle = str(folder / f"{name}.denoiser")
    scores = run("finalize", "finalize", name, "--out", bundle, "--json")
    return {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), **versions(), "git": git_state()},
        "minutes": json.loads((folder / f"{name}.minutes.json").read_text()),
        "trials": json.loads(run("status", "status", name, "--json"))["counts"],
        "scores": json.loads(scores),
    }


@contextmanager
def timed(path: Path, step: str) -> Iterator[None]:
    """Add the minutes that pass to those of the same step before, also when it is stopped."""
    known = json.loads(path.read_text()) if path.exists() else {}
    started = time.monotonic()
    try:
        yield
    finally:
        known[step] = round(known.get(step, 0) + (time.monotonic() - started) / 60, 1)
        path.write_text(json.dumps(known))


def study_file(name: str, folder: Path) -> Path:
    """Shipped, or written beside the photographs that scikit-image brings."""
    if name in SHIPPED:
        return ROOT / "studies" / f"{SHIPPED[name]}.yaml"
    import skimage

    source = Path(skimage.__file__).parent / "data"
    (folder / "photographs").mkdir(exist_ok=True)
    for file in PHOTOGRAPHS:
        shutil.copy(source / file, folder / "photographs")
    path = folder / "photographs.yaml"
    path.write_text(yaml.safe_dump(PHOTOGRAPHS_STUDY, sort_keys=False))
    return path


def write_page() -> None:
    """Fill in what lies between the page's marks."""
    paths = {name: FIGURES / f"{name}.json" for name in NAMES}
    found = {name: path for name, path in paths.items() if path.exists()}
    fill_in(PAGE, {name: _section(json.loads(path.read_text())) for name, path in found.items()})


def _section(made: dict[str, Any]) -> str:
    scores, minutes, machine = made["scores"], made["minutes"], made["machine"]
    counts = made["trials"]
    said = [
        *scores["verdict"],
        *(f"**{warning}**" for warning in scores["warnings"]),
        f"{counts['complete']} complete and {counts['pruned']} pruned trials in "
        f"{minutes['study']} minutes, `finalize` in {minutes['finalize']}, on {machine['cores']} "
        f"cores ({machine['cpu']}, torch {machine['torch']}, at {machine['git']}).",
    ]
    return "\n".join(f"- {line}" for line in said) + "\n\n" + table(_rows(scores))


def _rows(scores: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "method": row["name"],
            "images": row["images"],
            "PSNR, dB": f"{row['psnr']:.2f}",
            "SSIM": "" if row["ssim"] is None else f"{row['ssim']:.3f}",
            "gain, dB": "" if row["gain"] is None else f"{row['gain']:+.2f}",
            "the denoiser's advantage, dB (95%)": _advantage(row["advantage"]),
        }
        for row in scores["tested"]["rows"]
    ]


def _advantage(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if found["low"] is None:
        return f"{found['mean']:+.2f}"
    return f"{found['mean']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})"


if __name__ == "__main__":
    main()
