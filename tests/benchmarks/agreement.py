"""Whether ours and the plain style learn the same from the same settings and images.

    python tests/benchmarks/agreement.py [--seeds 11] [--epochs 4] [--device cpu] [--out FOLDER]

The best validation MSE after a few epochs, for models of search.py's space: plain.py against ours
in float32 and, where the device computes it natively, in bfloat16. Weights, order and noise are
drawn anew for every seed and side, so that single runs differ; medians should not.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from plain import TRAIN, VALIDATION, PlainTraining, task_of_plain
from results import Results, parser, spread
from support import config_of, inputs_of, study_file
from torch.utils.data import TensorDataset

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import Precision
from autoencoder_hpo.training.steps import drive

SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {
        "model": {"kind": "mlp", "depth": 1, "width": 256, "latent": 64},
        "batch_size": 64,
        "optimizer": {"kind": "adam", "learning_rate": 0.003},
    },
    "conv": {
        "model": {"kind": "conv", "depth": 1, "channels": 16},
        "batch_size": 64,
        "optimizer": {"kind": "adam", "learning_rate": 0.003},
    },
    "unet": {
        "model": {"kind": "unet", "depth": 1, "channels": 8},
        "batch_size": 64,
        "optimizer": {"kind": "adam", "learning_rate": 0.006},
    },
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=11)
    options.add_argument("--epochs", type=int, default=4)
    options.add_argument("--device", default="cpu")
    given = options.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    formats: list[Precision] = ["float32"]
    if choose_precision(device) == "bfloat16":
        formats.append("bfloat16")
    results = Results("agreement", given.out)
    ratios: dict[str, list[float]] = {precision: [] for precision in formats}
    task = task_of_plain(given.epochs)
    home = Settings(home=Path(tempfile.mkdtemp(prefix="hpo-agreement-")))
    prepared = inputs_of(study_file(task=task), home, device).prepared
    for name, settings in SETTINGS.items():
        file = study_file(task=task, trial=settings)
        config = config_of(file)
        plain = [_plain(config, prepared[0], given.epochs, seed) for seed in range(given.seeds)]
        row = {"model": name, "plain": spread(plain, 5)}
        for precision in formats:
            ours = [
                _ours(file.study.task, config, prepared, given.epochs, seed, precision)
                for seed in range(given.seeds)
            ]
            ratio = statistics.median(ours) / statistics.median(plain)
            ratios[precision].append(ratio)
            row |= {f"ours, {precision}": spread(ours, 5), f"{precision} / plain": round(ratio, 3)}
        results.row(row)
    for precision, found in ratios.items():
        results.sum_up(
            f"validation MSE after the same epochs, ours in {precision} / plain",
            f"{min(found):.3f} to {max(found):.3f}",
        )
    results.save()


def _plain(config: TrialConfig, prepared: DeviceData, epochs: int, seed: int) -> float:
    torch.manual_seed(seed)
    clean = torch.cat([prepared.train_clean, prepared.val_clean]).cpu()
    images = TensorDataset(clean, torch.zeros(len(clean)))
    training = PlainTraining(
        config, images, train=TRAIN, validation=VALIDATION, device=prepared.device, workers=0
    )
    return min(training.train_epoch() for _ in range(epochs))


def _ours(
    task: Task,
    config: TrialConfig,
    prepared: Sequence[DeviceData],
    epochs: int,
    seed: int,
    precision: Precision,
) -> float:
    training = build_training(task, config, prepared, seed=seed, precision=precision)
    return min(drive(training.advance()).val_mse for _ in range(epochs))


if __name__ == "__main__":
    main()
