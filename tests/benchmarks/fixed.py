"""A trial of ours whose every setting is fixed, as benchmarks of the training alone use it.

Imports nothing that a worker does not, for what memory.py measures.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.inputs import load_inputs
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.space import FixedSuggester, fill
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.prepared import Prepared


def images_of(file: StudyFile, device: torch.device, home: Path) -> Sequence[Prepared]:
    return load_inputs(file, Settings(home=home), device).prepared


def config_of(file: StudyFile) -> TrialConfig:
    return TrialConfig.model_validate(fill(file.study.trial, FixedSuggester({})).config)
