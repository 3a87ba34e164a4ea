"""The search that a user would write instead, as Optuna's own example does it. See search.py.

    python tests/benchmarks/plain_search.py --storage URL --name NAME --trials 16 --epochs 5 --seed 0

Each process asks, trains with a DataLoader, reports and asks for pruning on the training thread.
"""

import argparse
from pathlib import Path

import optuna
import torch
from optuna.trial import TrialState
from plain import PlainTraining, fashion_mnist

from autoencoder_hpo.config import TrialConfig


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--storage", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--train", type=int, required=True)
    parser.add_argument("--validation", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--images", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)  # two processes on two cores
    torch.manual_seed(given.seed)
    images = fashion_mnist(given.images)

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("model", ["mlp", "conv", "unet"])
        match kind:
            case "mlp":
                model = {"width": trial.suggest_int("width", 64, 512, step=64), "latent": 64}
            case "conv":
                model = {"channels": trial.suggest_int("conv_channels", 8, 24, step=8)}
            case _:
                model = {"channels": trial.suggest_int("unet_channels", 4, 12, step=4)}
        config = TrialConfig.model_validate(
            {
                "model": {"kind": kind, "depth": 1, **model},
                "optimizer": {
                    "kind": "adam",
                    "learning_rate": trial.suggest_float("lr", 1e-4, 1e-2, log=True),
                },
                "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256]),
            }
        )
        training = PlainTraining(
            config, images, train=given.train, validation=given.validation,
            device=torch.device("cpu"), workers=0,
        )  # fmt: skip
        best = float("inf")
        for epoch in range(given.epochs):
            best = min(best, training.train_epoch())
            trial.report(best, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    study = optuna.create_study(
        study_name=given.name,
        storage=given.storage,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(multivariate=True, group=True),
        pruner=optuna.pruners.MedianPruner(),
    )
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    stop = optuna.study.MaxTrialsCallback(given.trials, states=ended)
    study.optimize(objective, callbacks=[stop])


if __name__ == "__main__":
    main()
