"""Seconds from the start of a worker to its first training step, and what they are spent on.

    python tests/benchmarks/start.py [--starts 5] [--out FOLDER]

A real worker of a study of Fashion-MNIST on a real PostgreSQL, whose images were read before. A
bare `import torch` in turn with it.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from results import Results, parser, spread
from support import study_file

from autoencoder_hpo.inputs import describe, load_inputs
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.study import create_study
from autoencoder_hpo.training.devices import choose_device

STUDY = {
    "task": {"data": {"dataset": "fashion_mnist", "train": 50_000, "validation": 5_000}},
    "search": {"trials": 1000},
    "trial": {"model": {"kind": "unet", "depth": 1, "channels": 8}},
}
WORKER = """
import os, sys, time
from autoencoder_hpo.training import steps

step = steps.eager_step

def first(wanted):
    step(wanted)
    print(time.time() - float(sys.argv[-1]), flush=True)
    os._exit(0)

steps.eager_step = first
from autoencoder_hpo.cli.main import app
app(["worker", *sys.argv[1:-1]])
"""
TORCH = "import sys, time, torch; print(time.time() - float(sys.argv[-1]))"


def seconds(program: str, *arguments: str, **environment: str) -> float:
    command = [sys.executable, "-c", program, *arguments, str(time.time())]
    output = subprocess.run(
        command, env=os.environ | environment, check=True, capture_output=True, text=True
    ).stdout
    return float(output.split()[-1])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--starts", type=int, default=5)
    given = options.parse_args()
    os.environ["TZ"] = "UTC"
    folder = Path(tempfile.mkdtemp(prefix="hpo-start-"))
    settings = Settings(home=folder / "home")
    url = start_embedded(folder / "data")
    storage = open_storage(url, settings)
    file = study_file(**STUDY)
    create_study(storage, file, describe(load_inputs(file, settings, choose_device("cpu"))))
    storage.release_connections()
    arguments = [file.study.name, "--device", "cpu", "--storage", url]
    home = {"AUTOENCODER_HPO_HOME": str(settings.home)}
    seconds(WORKER, *arguments, **home), seconds(TORCH)  # warm
    results = Results("start", given.out)
    for _ in range(given.starts):
        results.row({
            "a worker's first step, s": round(seconds(WORKER, *arguments, **home), 2),
            "import torch, s": round(seconds(TORCH), 2),
        })  # fmt: skip
    for name in results.rows[0]:
        results.sum_up(name, spread([row[name] for row in results.rows]))
    results.save()


if __name__ == "__main__":
    main()
