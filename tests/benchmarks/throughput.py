"""Images trained on in a second, against the plain style on the same cores.

    python tests/benchmarks/throughput.py [--pairs 5] [--cores 0] [--device cpu] [--plot FILE.png]

An epoch of ours and one of the plain style in turn, validation included: real Fashion-MNIST,
the same architecture, noise, optimizer and batch size. See plain.py for the peer.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from plain import SIGMA, PlainTraining, best_worker_count, fashion_mnist
from support import study_file

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.inputs import load_inputs
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.space import FixedSuggester, fill
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.steps import drive

MODELS: dict[str, dict[str, Any]] = {
    "mlp small": {"kind": "mlp", "depth": 1, "width": 128, "latent": 32},
    "mlp large": {"kind": "mlp", "depth": 2, "width": 1024, "latent": 128},
    "conv": {"kind": "conv", "depth": 2, "channels": 16, "latent": 32},
    "unet": {"kind": "unet", "depth": 2, "channels": 16},
}
BATCHES = (32, 128, 512)
TRAIN, VALIDATION = 4096, 512


def measure(
    name: str, batch: int, pairs: int, device: torch.device, folder: Path
) -> dict[str, Any]:
    file = study_file(
        task={
            "data": {"dataset": "fashion_mnist", "train": TRAIN, "validation": VALIDATION},
            "corruption": {"kind": "gaussian", "sigma": SIGMA},
            "epochs": 1000,
        },
        trial={"batch_size": batch, "model": MODELS[name], "optimizer": {"kind": "adam"}},
    )
    settings = Settings(home=folder / "home", storage=None, password_file=None, data=None)
    inputs = load_inputs(file, settings, device)
    config = TrialConfig.model_validate(fill(file.study.trial, FixedSuggester({})).config)
    ours = build_training(
        file.study.task, config, inputs.prepared, seed=0, precision=choose_precision(device)
    )
    images = fashion_mnist(folder / "plain")
    workers = best_worker_count(config, images, device)
    plain = PlainTraining(
        config, images, train=TRAIN, validation=VALIDATION, device=device, workers=workers
    )

    def seconds(epoch: Callable[[], object]) -> float:
        started = time.monotonic()
        epoch()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.monotonic() - started

    def epoch() -> None:
        drive(ours.advance())

    seconds(epoch), seconds(plain.train_epoch)  # warm
    times = [(seconds(epoch), seconds(plain.train_epoch)) for _ in range(pairs)]
    ratios = [theirs / mine for mine, theirs in times]
    return {
        "model": name,
        "batch": batch,
        "images a second": round(TRAIN / statistics.median(mine for mine, _ in times)),
        "plain": round(TRAIN / statistics.median(theirs for _, theirs in times)),
        "plain's loader processes": workers,
        "times as fast": round(statistics.median(ratios), 2),
        "from": round(min(ratios), 2),
        "to": round(max(ratios), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="+", default=[0], help="both sides run on these")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    os.sched_setaffinity(0, given.cores)
    torch.set_num_threads(len(given.cores))
    folder = Path(tempfile.mkdtemp(prefix="hpo-throughput-"))
    rows = []
    for name in given.models:
        for batch in given.batches:
            rows.append(measure(name, batch, given.pairs, torch.device(given.device), folder))
            print(json.dumps(rows[-1]), flush=True)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    print(f"geometric mean {statistics.geometric_mean(row['times as fast'] for row in rows):.2f}")
    if given.plot:
        draw_plot(rows, given.plot)


def draw_plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
    names = [f"{row['model']}\n{row['batch']}" for row in rows]
    middle = [row["times as fast"] for row in rows]
    spread = [
        [row["times as fast"] - row["from"] for row in rows],
        [row["to"] - row["times as fast"] for row in rows],
    ]
    axis.bar(names, middle, yerr=spread, capsize=2, color="#1f5fbf")
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set(title="times as fast as the plain style", xlabel="model, batch size")
    axis.tick_params(axis="x", labelsize=7)
    figure.savefig(path, dpi=80)


if __name__ == "__main__":
    main()
