"""A trial of ours whose every setting is fixed, as benchmarks of the training alone use it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from plain import SIGMA

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.inputs import load_inputs
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.space import FixedSuggester, fill
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.prepared import Prepared

TRAIN, VALIDATION = 4096, 512


def task_like_plain(
    epochs: int = 1000, train: int = TRAIN, validation: int = VALIDATION
) -> dict[str, Any]:
    """The task of plain.py."""
    return {
        "data": {"dataset": "fashion_mnist", "train": train, "validation": validation},
        "corruption": {"kind": "gaussian", "sigma": SIGMA},
        "epochs": epochs,
    }


def images_of(file: StudyFile, device: torch.device, home: Path) -> Sequence[Prepared]:
    return load_inputs(file, Settings(home=home), device).prepared


def config_of(file: StudyFile) -> TrialConfig:
    return TrialConfig.model_validate(fill(file.study.trial, FixedSuggester({})).config)
