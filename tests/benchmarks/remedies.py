"""What a remedy of `diagnose` is worth: planted faults, before and after its first advice.

    python tests/benchmarks/remedies.py [--only overfitting …] [--folder FOLDER] [--seeds 3]

Each study has one planted fault. It is run, diagnosed, changed by the first line that `diagnose`
proposes, and run again under another name, with as many trials; ten minutes on two cores. The table
goes to docs/results.md, the figures to docs/results/remedies.json.
"""

import argparse
import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import yaml
from results import Row, fill_in, spread, table

from autoencoder_hpo.storage.embedded import start_embedded

ROOT = Path(__file__).parent.parent.parent
PAGE, FIGURES = ROOT / "docs/results.md", ROOT / "docs/results/remedies.json"
FASHION = {"dataset": "fashion_mnist", "train": 4000, "validation": 1000}
NOISE = {"kind": "gaussian", "sigma": 0.2}
SEARCH = {"sampler": "random", "pruner": "none", "trials": 6}
PLANTED: dict[str, dict[str, Any]] = {
    "underfitting": {
        "task": {"data": FASHION, "corruption": NOISE, "epochs": 15},
        "search": SEARCH,
        "trial": {
            "optimizer": {"kind": "adam", "learning_rate": {"float": [1e-3, 5e-3], "log": True}},
            "model": {"kind": "mlp", "depth": 1, "width": 8, "latent": 64},
        },
    },
    "overfitting": {
        "task": {
            "data": {"dataset": "digits"},  # small by itself: more images are not to be had
            "corruption": {"kind": "gaussian", "sigma": 0.1},
            "epochs": 120,
        },
        "search": SEARCH,
        "trial": {
            "batch_size": 32,
            "optimizer": {"kind": "adam", "learning_rate": {"float": [1e-3, 2e-3], "log": True}},
            "model": {"kind": "mlp", "depth": 2, "width": 512, "latent": 128},
        },
    },
    "edge-of-range": {
        "task": {"data": FASHION, "corruption": NOISE, "epochs": 6},
        "search": {**SEARCH, "trials": 16},
        "trial": {
            "batch_size": [64, 128],
            "optimizer": {"kind": "adam", "learning_rate": {"float": [1e-5, 2e-4], "log": True}},
            "model": {"kind": "unet", "depth": 1, "channels": {"int": [6, 12]}},
        },
    },
}


def changed(study: dict[str, Any], line: str) -> dict[str, Any]:
    """The study with a line such as `trial.model.width: {int: [16, 64]}` put into its place."""
    place, _, value = line.partition(": ")
    *above, last = place.split(".")
    result = deepcopy(study)
    here = result
    for key in above:
        here = here.setdefault(key, {})
    here[last] = yaml.safe_load(value)
    return result


class Studies:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = {
            **os.environ,
            "AUTOENCODER_HPO_HOME": str(folder / "home"),
            "AUTOENCODER_HPO_STORAGE": start_embedded(folder / "database"),
        }

    def __call__(self, *words: str) -> str:
        command = [sys.executable, "-m", "autoencoder_hpo", *words]
        return subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def best(self, name: str, study: dict[str, Any]) -> float:
        """The best validation PSNR of a study, run to its end, in dB."""
        print("==", name, flush=True)
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"name": name, **study}, sort_keys=False))
        self("run", str(path))
        return float(json.loads(self("status", name, "--json"))["best"]["val_psnr"])


def measure(studies: Studies, fault: str, seed: int) -> dict[str, Any]:
    """The best PSNR before and after the first remedy for a planted fault."""
    study = deepcopy(PLANTED[fault])
    study["search"]["seed"] = seed
    name = f"{fault}-{seed}"
    before = studies.best(name, study)
    findings = json.loads(studies("diagnose", name, "--json"))["findings"]
    first = next(finding for finding in findings if finding["change"])
    after = studies.best(f"{name}-remedied", changed(study, first["change"]))
    return {
        "found": [finding["kind"] for finding in findings],
        "mended": first["kind"],
        "change": first["change"],
        "before": before,
        "after": after,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(PLANTED), default=list(PLANTED))
    parser.add_argument("--folder", type=Path, default=Path("remedies"), help="for the studies")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    studies = Studies(given.folder.absolute())
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for fault in given.only:
        found[fault] = [measure(studies, fault, seed) for seed in range(given.seeds)]
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    fill_in(
        PAGE,
        {"remedies": table([_row(fault, found[fault]) for fault in PLANTED if fault in found])},
    )


def _row(fault: str, every: list[dict[str, Any]]) -> Row:
    return {
        "planted": fault,
        "found": ", ".join(sorted({kind for each in every for kind in each["found"]})),
        "first with a line": ", ".join(sorted({each["mended"] for each in every})),
        "changed, in the first seed": f"`{every[0]['change']}`",
        "best PSNR before, dB": spread([each["before"] for each in every]),
        "after, dB": spread([each["after"] for each in every]),
        "gain, dB": spread([each["after"] - each["before"] for each in every]),
    }


if __name__ == "__main__":
    main()
