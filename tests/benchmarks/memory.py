"""The peak memory of a worker, against its images and three times its model's state.

    python tests/benchmarks/memory.py [--out FOLDER]

A process of its own for each model trains an epoch of Fashion-MNIST. `state` is weights,
gradients and two moments of Adam; `constant` is what is left of the peak after the images and
three states: Python, torch, and the activations of a batch.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from results import Results, parser

MODELS: dict[str, dict[str, Any]] = {
    "mlp, 0.4 million weights": {"kind": "mlp", "depth": 1, "width": 256, "latent": 64},
    "mlp, 30 million weights": {"kind": "mlp", "depth": 2, "width": 4096, "latent": 256},
    "unet": {"kind": "unet", "depth": 2, "channels": 16},
}
MIB = 2**20
STATES = 4


def train(model: dict[str, Any], folder: Path) -> dict[str, Any]:
    """In a process of its own: the peak is that of its whole life."""
    import torch
    from support import config_of, inputs_of, study_file

    from autoencoder_hpo.settings import Settings
    from autoencoder_hpo.training.folds import build_training

    torch.set_num_threads(1)
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    file = study_file(
        task={
            "data": {"dataset": "fashion_mnist", "train": 50_000, "validation": 5_000},
            "epochs": 1,
        },
        trial={"batch_size": 128, "model": model, "optimizer": {"kind": "adam"}},
    )
    data, config = inputs_of(file, Settings(home=folder / "home")).prepared, config_of(file)
    training = build_training(file.study.task, config, data, seed=0)
    for _ in training:
        pass
    images = sum(
        tensor.nbytes for tensor in (data[0].train_clean, data[0].val_clean, data[0].val_noisy)
    )
    state = 4 * STATES * training.parameters
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "peak": peak / MIB,
        "after the imports": imported / MIB,
        "images": images / MIB,
        "state": state / MIB,
        "constant": (peak - images - 3 * state) / MIB,
    }


def main() -> None:
    if sys.argv[1:2] == ["--train"]:
        print(json.dumps(train(MODELS[sys.argv[2]], Path(sys.argv[3]))))
        return
    given = parser(__doc__).parse_args()
    results = Results("memory", given.out)
    folder = Path(tempfile.mkdtemp(prefix="hpo-memory-"))
    for name in ["", *MODELS]:  # the first time, images are unpacked
        command = [sys.executable, __file__, "--train", name or next(iter(MODELS)), str(folder)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if name:
            figures = {f"{key}, MiB": round(value) for key, value in json.loads(output).items()}
            results.row({"model": name, **figures})
    constants = [row["constant, MiB"] for row in results.rows]
    results.sum_up("beside images and three states", f"{min(constants)} to {max(constants)} MiB")
    results.save()


if __name__ == "__main__":
    main()
