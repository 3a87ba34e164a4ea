"""Models trained at once against one after the other: milliseconds of a step, of each model.

    python tests/benchmarks/stacking.py [--sizes 1 2 4 8] [--pairs 5] [--cores 0] [--out FOLDER]

On the CPU this decides what `--stack auto` is there.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from results import Results, Row, parser

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.training.graphed import GraphedSteps
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import prepare
from autoencoder_hpo.training.stacked import StackedSteps
from autoencoder_hpo.training.steps import StepRequest, Take, one_by_one

MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"kind": "mlp", "depth": 1, "width": 256, "latent": 64},
    "conv": {"kind": "conv", "depth": 2, "channels": 16},
    "unet": {"kind": "unet", "depth": 2, "channels": 16},
}
STEPS = 8


def milliseconds(take: Take, requests: list[StepRequest], device: torch.device) -> float:
    """Of one step of one of these models."""
    started = time.monotonic()
    for _ in range(STEPS):
        for error in take(requests):
            if error is not None:
                raise error
    if device.type == "cuda":
        torch.cuda.synchronize()
    for step in requests:
        step.train_state.losses.clear()
    return 1000 * (time.monotonic() - started) / STEPS / len(requests)


def measure(name: str, batch: int, size: int, pairs: int, device: torch.device) -> Row:
    task = Task.model_validate(
        {
            "data": {"dataset": "fashion_mnist"},
            "corruption": {"kind": "gaussian", "sigma": 0.2},
            "epochs": 1,
        }
    )
    images = ImageSet(torch.rand(1024, 1, 28, 28))  # pixels do not change the speed
    data = prepare(images, images, task, device)
    config = TrialConfig.model_validate({"model": MODELS[name], "batch_size": batch})

    def fresh() -> list[StepRequest]:
        index = torch.arange(batch, device=device)
        return [
            StepRequest(
                Training(
                    task, config, data, seed=seed, precision=choose_precision(device)
                ).train_state,
                index,
                1e-3,
            )
            for seed in range(size)
        ]

    alone, n_fused = fresh(), fresh()
    take: Take = GraphedSteps() if device.type == "cuda" else StackedSteps()
    milliseconds(one_by_one, alone, device), milliseconds(take, n_fused, device)  # warm
    times = [
        (milliseconds(one_by_one, alone, device), milliseconds(take, n_fused, device))
        for _ in range(pairs)
    ]
    ratios = [one / stacked for one, stacked in times]
    return {
        "model": name,
        "batch": batch,
        "models at once": size,
        "ms alone": round(statistics.median(one for one, _ in times), 2),
        "ms at once": round(statistics.median(stacked for _, stacked in times), 2),
        "times as fast": round(statistics.median(ratios), 2),
        "from": round(min(ratios), 2),
        "to": round(max(ratios), 2),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[2, 4, 8])
    options.add_argument("--batches", type=int, nargs="+", default=[32, 128])
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--device", default="cpu")
    options.add_argument("--cores", type=int, nargs="+", default=[0])
    given = options.parse_args()
    os.sched_setaffinity(0, given.cores)
    torch.set_num_threads(len(given.cores))
    results = Results("stacking", given.out)
    for name in MODELS:
        for batch in given.batches:
            for size in given.sizes:
                device = torch.device(given.device)
                results.row(measure(name, batch, size, given.pairs, device))
    ratios = [row["times as fast"] for row in results.rows]
    results.sum_up("at once, times as fast as one by one", f"{min(ratios)} to {max(ratios)}")
    results.save()


if __name__ == "__main__":
    main()
