"""How long the dashboard takes to answer for a large study, ours against stock, in one run.

    python tests/benchmarks/dashboard.py [--trials 1000] [--epochs 30] [--pairs 5]

Both sides answer the request that an open page repeats, `GET /api/studies/1`, for the same
study in the same PostgreSQL: stock optuna-dashboard opened by URL, and ours. Each side is asked
once before it is timed; then they take turns, each time after a wait in which the dashboard's
own cache of trials (10 s for a large study) has run out.
"""

import argparse
import json
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from werkzeug.test import Client

from autoencoder_hpo.dashboard.access import Passwords
from autoencoder_hpo.dashboard.app import make_app
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import Storage, open_storage
from autoencoder_hpo.storage.embedded import start_embedded

CACHED_S = 10.5
PATH = "/api/studies/1"


def fill(storage: Storage, trials: int, epochs: int) -> None:
    """Trials with everything that ours carry: parameters, records, note, artifacts."""
    study = optuna.create_study(storage=storage.optuna, study_name="large")
    study.add_trials([_trial(number, epochs) for number in range(trials)])
    for trial in study.get_trials(deepcopy=False):
        prefix = f"dashboard:{trial._trial_id}:note_"
        note = "| tried | |\n|---|---|\n" + f"| `parameter` | {trial.number} |\n" * 8
        storage.optuna.set_study_system_attr(study._study_id, prefix + "str:0", note)
        storage.optuna.set_study_system_attr(study._study_id, prefix + "ver", 1)


def _trial(number: int, epochs: int) -> optuna.trial.FrozenTrial:
    floats = {f"parameter.{n}": (n + number) / 2000 for n in range(4)}
    ints = {f"model.unet.parameter.{n}": (n + number) % 60 for n in range(4)}
    history = [
        {
            "epoch": n,
            "train_loss": 1 / n,
            "val_mse": 0.1 / n,
            "val_psnr": 20.0,
            "learning_rate": 0.1,
        }
        for n in range(1, epochs + 1)
    ]
    artifacts = {
        f"artifacts:{number}-{n}": json.dumps(
            {"artifact_id": f"{n}", "filename": "a.png", "mimetype": "image/png", "encoding": None}
        )
        for n in range(2)
    }
    record: dict[str, Any] = {f"field {n}": n / 3 for n in range(25)}
    trial = create_trial(
        state=TrialState.COMPLETE if number % 2 else TrialState.PRUNED,
        value=0.01 + number / 1e5,
        params={**floats, **ints},
        distributions={
            **{name: FloatDistribution(0, 1) for name in floats},
            **{name: IntDistribution(0, 64) for name in ints},
        },
        user_attrs={
            "config": record, "run": record, "scores": record, "history": history,
            "val_psnr": 20.0, "psnr_gain": 4.0, "parameters": 4000, "seconds": 12.3,
            "worker": "machine:123", "device": "cpu",
        },
        system_attrs=artifacts,
        intermediate_values={n: 0.1 / n for n in range(1, epochs + 1)},
    )  # fmt: skip
    trial.datetime_start = trial.datetime_complete = datetime(2026, 1, 1)
    return trial


def seconds(client: Client, **how: Any) -> float:
    started = time.perf_counter()
    response = client.get(PATH, **how)
    assert response.status_code == 200, response.text
    assert len(response.get_data()) > 10_000
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hpo-bench-") as folder:
        Path(folder).chmod(0o755)
        url = start_embedded(Path(folder) / "postgres")
        settings = Settings(Path(folder) / "home", None, None, None)
        storage = open_storage(url, settings)
        fill(storage, given.trials, given.epochs)
        ours = Client(make_app(open_storage(url, settings), settings, Passwords("secret")))
        stock = Client(
            optuna_dashboard.wsgi(url.replace("postgresql://", "postgresql+psycopg2://"))
        )
        header = {"headers": {"Host": "localhost"}, "auth": ("admin", "secret")}
        cold = {"ours": seconds(ours, **header), "stock": seconds(stock)}
        warm: dict[str, list[float]] = {"ours": [], "stock": []}
        for _ in range(given.pairs):
            time.sleep(CACHED_S)
            warm["ours"].append(seconds(ours, **header))
            warm["stock"].append(seconds(stock))
    print(f"{given.trials} trials of {given.epochs} epochs, seconds for GET {PATH}")
    for side, times in warm.items():
        print(
            f"{side:<6} first {cold[side]:.2f}, warm median {statistics.median(times):.2f} "
            f"({min(times):.2f} to {max(times):.2f}, {given.pairs} times)"
        )
    ratios = [b / a for a, b in zip(warm["ours"], warm["stock"], strict=True)]
    print(f"stock takes {statistics.median(ratios):.1f} times as long")


if __name__ == "__main__":
    main()
