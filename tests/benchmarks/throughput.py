"""Images trained on in a second, against the plain style on the same cores.

    python tests/benchmarks/throughput.py [--pairs 5] [--cores 0] [--device cpu] [--out FOLDER]

An epoch of ours and one of the plain style in turn, validation included: real Fashion-MNIST,
the same architecture, noise, optimizer and batch size. See plain.py for the peer.
"""

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
from plain import (
    TRAIN,
    VALIDATION,
    PlainTraining,
    best_worker_count,
    fashion_mnist,
    task_of_plain,
)
from results import Results, Row, parser
from support import config_of, inputs_of, study_file

from autoencoder_hpo.settings import Settings
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


def measure(name: str, batch: int, pairs: int, device: torch.device, folder: Path) -> Row:
    file = study_file(
        task=task_of_plain(),
        trial={"batch_size": batch, "model": MODELS[name], "optimizer": {"kind": "adam"}},
    )
    prepared, config = (
        inputs_of(file, Settings(home=folder / "home"), device).prepared,
        config_of(file),
    )
    ours = build_training(
        file.study.task, config, prepared, seed=0, precision=choose_precision(device)
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
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument(
        "--cores", type=int, nargs="+", default=[0], help="both sides run on these"
    )
    options.add_argument("--device", default="cpu")
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    given = options.parse_args()
    os.sched_setaffinity(0, given.cores)
    torch.set_num_threads(len(given.cores))
    folder = Path(tempfile.mkdtemp(prefix="hpo-throughput-"))
    results = Results("throughput", given.out)
    for name in given.models:
        for batch in given.batches:
            device = torch.device(given.device)
            results.row(measure(name, batch, given.pairs, device, folder))
    ratios = [row["times as fast"] for row in results.rows]
    results.sum_up(
        "times as fast as the plain style, geometric mean over the table",
        f"{statistics.geometric_mean(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}",
    )
    results.save()


if __name__ == "__main__":
    main()
