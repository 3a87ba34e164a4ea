"""What a worker gives to each of its trials."""

from dataclasses import dataclass

import torch

from autoencoder_hpo.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Where a trial is trained."""

    worker: str
    device: torch.device
    threads: int
    settings: Settings
