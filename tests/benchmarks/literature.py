"""The studies of the literature (studies/literature), and their tables in docs/results.md.

    python tests/benchmarks/literature.py [--only bottleneck …] [--folder FOLDER] [--seeds 5]
                                          [--mnist FOLDER] [--no-runs]

Half an hour on two cores; stopped, the same command with the same `--folder` goes on. MNIST is
downloaded, or taken from the IDX files of `--mnist`. Figures go to docs/results/literature.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
import yaml
from optuna.trial import FrozenTrial, TrialState
from results import Row, fill_in, spread, table

from autoencoder_hpo.baselines.pca import residuals
from autoencoder_hpo.inputs import load_inputs
from autoencoder_hpo.provenance import cpu_name, git_state, versions
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.study import open_study
from autoencoder_hpo.study import load_study

ROOT = Path(__file__).parent.parent.parent
STUDIES = ROOT / "studies/literature"
PAGE, FIGURES = ROOT / "docs/results.md", ROOT / "docs/results/literature.json"
PICTURE = ROOT / "docs/images/samplers.png"
NOISES = ("gaussian", "speckle", "masking", "salt_and_pepper")
SAMPLERS = ("grid", "random", "tpe", "gp")
# Validation MSE of the student report that docs/results.md names: layers -> latent -> MSE.
REPORTED = {
    "bottleneck": {3: (0.055, 0.049, 0.047, 0.047), 5: (0.071, 0.070, 0.069, 0.069)},
    "bottleneck_mnist": {3: (0.061, 0.044, 0.040, 0.039), 5: (0.082, 0.078, 0.077, 0.078)},
}
LATENT = (15, 30, 50, 100)
REPORTED_PENALTIES = {"none": 0.047, "L1": 0.065, "L2": 0.049, "L1 and L2": 0.064}


class Studies:
    """Studies on a database and in a home of their own; what is done is not done again."""

    def __init__(self, folder: Path, mnist: Path | None) -> None:
        self.folder = folder
        self.mnist = mnist
        folder.mkdir(parents=True, exist_ok=True)
        self.url = start_embedded(folder / "database")
        self.home = folder / "home"

    def trials(self, stem: str, **changes: Any) -> list[FrozenTrial]:
        """All trials of a shipped study, with changes to its `search` and its name."""
        tree = yaml.safe_load((STUDIES / f"{stem}.yaml").read_text())
        if changes:
            tree["search"] |= changes
            tree["name"] += "-" + "-".join(str(value) for value in changes.values())
        if stem.endswith("mnist") and self.mnist is not None:
            tree["task"]["data"]["root"] = str(self.mnist.absolute())
        path = self.folder / f"{tree['name']}.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        print("==", tree["name"], flush=True)
        subprocess.run(
            [sys.executable, "-m", "autoencoder_hpo", "run", str(path), "--storage", self.url],
            env={**os.environ, "AUTOENCODER_HPO_HOME": str(self.home)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        settings = Settings(home=self.home)
        return open_study(open_storage(self.url, settings), tree["name"]).trials()

    def linear(self, name: str, most: int) -> list[float]:
        """MSE that the mean training image leaves of the validation images of a study that ran,
        and that PCA with 1, 2, … `most` components leaves.
        """
        file = load_study(self.folder / f"{name}.yaml")
        inputs = load_inputs(file, Settings(home=self.home), torch.device("cpu"))
        images = inputs.prepared[0]
        train_ND, val_MD = images.train_clean.flatten(1), images.val_clean.flatten(1)
        mean = (val_MD - train_ND.mean(0)).square().mean()
        return [float(mean), *residuals(train_ND, val_MD, most).tolist()]


def mse(trial: FrozenTrial) -> float:
    return float(trial.user_attrs["scores"]["val_mse"])


def psnr(trial: FrozenTrial) -> float:
    return float(trial.user_attrs["scores"]["val_psnr"])


def config(trial: FrozenTrial) -> dict[str, Any]:
    found: dict[str, Any] = trial.user_attrs["config"]
    return found


def bottleneck(studies: Studies, stem: str) -> list[Row]:
    """Validation MSE by latent size and hidden layers, beside the report's and PCA's."""
    models = {(config(t)["model"]["depth"] + 1, config(t)["model"]["latent"]): mse(t)
              for t in studies.trials(stem)}  # fmt: skip
    linear = studies.linear(f"literature-{stem.replace('_', '-')}", max(LATENT))
    columns: dict[str, list[Any]] = {"latent": ["0: the mean image", *LATENT]}
    for layers in REPORTED[stem]:
        found = [f"{models[layers, latent]:.4f}" for latent in LATENT]
        columns[f"{layers} hidden layers, MSE"] = ["", *found]
    columns["PCA"] = [f"{linear[latent]:.4f}" for latent in (0, *LATENT)]
    for layers, reported in REPORTED[stem].items():
        columns[f"{layers} layers, reported"] = ["", *reported]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def regularization(studies: Studies) -> list[Row]:
    def name(found: dict[str, Any]) -> str:
        parts = {"L1": found["l1"], "L2": found["l2"], "dropout": found["model"]["dropout"]}
        return " and ".join(part for part, value in parts.items() if value) or "none"

    return [
        {"penalty": penalty, "MSE": f"{value:.4f}",
         "reported": REPORTED_PENALTIES.get(penalty, "worse" if penalty == "dropout" else "")}
        for penalty, value in ((name(config(t)), mse(t))
                               for t in studies.trials("regularization"))
    ]  # fmt: skip


def denoising(studies: Studies) -> list[Row]:
    """PSNR by latent size, at both strengths."""
    columns: dict[str, dict[int, str]] = {}
    for sigma, stem in (("0.2", "denoising_02"), ("0.5", "denoising_05")):
        trials = studies.trials(stem)
        noisy = trials[0].user_attrs["scores"]["noisy_psnr"]
        columns[f"noise {sigma}: {noisy:.2f} dB becomes"] = {
            config(t)["model"]["latent"]: f"{psnr(t):.2f} dB" for t in trials
        }
    return [
        {"latent": latent} | {name: found[latent] for name, found in columns.items()}
        for latent in LATENT
    ]


def optimizers(studies: Studies) -> list[Row]:
    found = [(config(t)["optimizer"], psnr(t)) for t in studies.trials("optimizers")]
    return [
        {"optimizer": "SGD, momentum 0.9" if kind["kind"] == "sgd" else "Adam",
         "learning rate": f"{kind['learning_rate']:g}", "PSNR": f"{value:.2f} dB"}
        for kind, value in sorted(found, key=lambda pair: (pair[0]["kind"], pair[1]))
    ]  # fmt: skip


def decay(studies: Studies) -> list[Row]:
    def name(schedule: dict[str, Any]) -> str:
        if schedule["kind"] == "constant":
            return "constant"
        return f"after epoch {schedule['start_epoch']} by exp(-{schedule['rate']:g}) an epoch"

    return [
        {"learning rate": name(config(t)["schedule"]), "PSNR": f"{psnr(t):.2f} dB",
         "best of 100 epochs": t.user_attrs["best_epoch"]}
        for t in studies.trials("decay")
    ]  # fmt: skip


def noise(studies: Studies) -> list[Row]:
    """PSNR: the task's noise in rows, that of the training in columns."""
    rows = []
    for kind in NOISES:
        trials = studies.trials(f"noise_{kind}")
        by_kind = {config(t)["corruption"]["kind"]: psnr(t) for t in trials}
        rows.append(
            {"noise of the task": kind.replace("_", " "),
             "noisy, dB": f"{trials[0].user_attrs['scores']['noisy_psnr']:.2f}"}
            | {f"trained with {other.replace('_', ' ')}":
               f"**{by_kind[other]:.2f}**" if other == kind else f"{by_kind[other]:.2f}"
               for other in NOISES}
        )  # fmt: skip
    return rows


def samplers(studies: Studies, seeds: int) -> dict[str, list[list[float]]]:
    """Best PSNR so far after every trial, a list for each seed of each sampler."""

    def best_so_far(trials: list[FrozenTrial]) -> list[float]:
        reached = [psnr(t) if t.state is TrialState.COMPLETE else 0.0 for t in trials]
        return [round(max(reached[: last + 1]), 3) for last in range(len(reached))]

    return {
        sampler: [
            best_so_far(
                studies.trials("samplers_grid", seed=seed)
                if sampler == "grid"
                else studies.trials("samplers_ranges", sampler=sampler, seed=seed)
            )
            for seed in range(seeds)
        ]
        for sampler in SAMPLERS
    }


def samplers_table(curves: dict[str, list[list[float]]]) -> list[Row]:
    return [
        {"sampler": sampler}
        | {f"after {n} trials, dB": spread([one[n - 1] for one in found]) for n in (6, 12, 24)}
        for sampler, found in curves.items()
    ]


def draw(curves: dict[str, list[list[float]]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for sampler, found in curves.items():
        numbers = range(1, len(found[0]) + 1)
        columns = list(zip(*found, strict=True))
        (line,) = axes.plot(numbers, [statistics.median(c) for c in columns], label=sampler)
        axes.fill_between(
            numbers, [min(c) for c in columns], [max(c) for c in columns],
            color=line.get_color(), alpha=0.12,
        )  # fmt: skip
    axes.set(xlabel="trials", ylabel="best validation PSNR, dB")
    axes.set_ylim(bottom=min(min(one[2:]) for found in curves.values() for one in found))
    axes.legend()
    figure.savefig(PICTURE, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    tables: dict[str, Callable[[Studies], Any]] = {
        "bottleneck": lambda studies: bottleneck(studies, "bottleneck"),
        "bottleneck_mnist": lambda studies: bottleneck(studies, "bottleneck_mnist"),
        "regularization": regularization,
        "denoising": denoising,
        "optimizers": optimizers,
        "decay": decay,
        "noise": noise,
        "samplers": lambda studies: samplers(studies, given.seeds),
    }
    parser.add_argument("--only", nargs="+", choices=tables, default=[*tables])
    parser.add_argument("--folder", type=Path, default=Path("literature"), help="for the studies")
    parser.add_argument("--seeds", type=int, default=5, help="for each sampler")
    parser.add_argument("--mnist", type=Path, help="a folder with MNIST's IDX files")
    parser.add_argument("--no-runs", action="store_true", help="only make the page again")
    given = parser.parse_args()
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if not given.no_runs:
        studies = Studies(given.folder.absolute(), given.mnist)
        for name in given.only:
            machine = {"cpu": cpu_name(), **versions(), "git": git_state()}
            found[name] = {"machine": machine, "figures": tables[name](studies)}
            FIGURES.parent.mkdir(exist_ok=True)
            FIGURES.write_text(json.dumps(found, indent=1) + "\n")
    if "samplers" in found:
        draw(found["samplers"]["figures"])
    fill_in(PAGE, {f"literature {name}": _section(name, made) for name, made in found.items()})


def _section(name: str, made: dict[str, Any]) -> str:
    figures, machine = made["figures"], made["machine"]
    rows = samplers_table(figures) if name == "samplers" else figures
    where = f"{machine['cpu']}, torch {machine['torch']}, at {machine['git']}"
    return f"{table(rows)}\n\nOn {where}."


if __name__ == "__main__":
    main()
