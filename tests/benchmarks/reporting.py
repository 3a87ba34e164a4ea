"""What telling the study costs the thread that trains: seconds of an epoch, with and without.

    python tests/benchmarks/reporting.py [--pairs 7] [--epochs 20]

The same training, in turn with a heartbeat on a real PostgreSQL, which beats, is handed each epoch
and is waited for at rungs, and alone. Also what the training thread itself spends on either.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from support import config_of, inputs_of, study_file

from autoencoder_hpo.inputs import describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.samplers import PruningCheck, is_rung, with_search
from autoencoder_hpo.storage.study import create_study
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.worker.heartbeat import Heartbeat

STUDY: dict[str, Any] = {
    "task": {"data": {"dataset": "digits", "train": 1400}, "epochs": 1000},
    "trial": {"batch_size": 16, "model": {"kind": "unet", "depth": 1, "channels": 8}},
    "search": {"pruner": {"kind": "median"}},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    os.environ["TZ"] = "UTC"
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="hpo-reporting-"))
    settings = Settings(home=folder / "home")
    storage = open_storage(start_embedded(folder / "data"), settings)
    file = study_file(**STUDY)
    inputs = inputs_of(file, settings)
    opened = with_search(create_study(storage, file, describe(inputs)))
    claimed = claim(opened, "benchmark")
    assert isinstance(claimed, Claimed)
    opened.trials()
    config = config_of(file)
    training = build_training(opened.study.task, config, inputs.prepared, seed=0)
    rung, judge, epochs = (
        is_rung(opened.study),
        PruningCheck(opened, claimed.number),
        iter(training),
    )

    handed, asked = [], []

    def seconds_of_an_epoch(*, telling: bool) -> float:
        beating = Heartbeat(opened, claimed.trial_id, "benchmark") if telling else None
        started = time.monotonic()
        with beating or nullcontext():
            for number in range(1, given.epochs + 1):
                result = next(epochs)
                if beating is None:
                    continue
                before = time.monotonic()
                beating.epoch(result.epoch, result.val_psnr, result.val_psnr)
                handed.append(time.monotonic() - before)
                if rung(number) and beating.told(5.0):
                    complete = beating.ownership.complete
                    judge.falls_behind({result.epoch: result.val_psnr}, complete=complete)
                    storage.release_connections()
                    asked.append(time.monotonic() - before)
        return (time.monotonic() - started) / given.epochs

    seconds_of_an_epoch(telling=True)  # warm
    pairs = [
        (seconds_of_an_epoch(telling=False), seconds_of_an_epoch(telling=True))
        for _ in range(given.pairs)
    ]
    for alone, told in pairs:
        print(f"alone {alone:.4f} s, told {told:.4f} s an epoch, {told / alone:.3f} times as long")
    print(f"handing an epoch over takes {1e6 * statistics.median(handed):.0f} microseconds")
    print(f"a rung takes {1000 * statistics.median(asked):.0f} ms")
    ratio = statistics.median(told / alone for alone, told in pairs)
    print(f"median {ratio:.3f} times as long")


if __name__ == "__main__":
    main()
