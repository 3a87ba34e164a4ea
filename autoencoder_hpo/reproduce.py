"""Training a stored trial again, to see whether it comes to the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.inputs import Inputs
from autoencoder_hpo.provenance import cpu_name, git_state, versions
from autoencoder_hpo.storage.records import RunRecord, StoredTrial
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.training.devices import device_name
from autoencoder_hpo.training.folds import build_training
from autoencoder_hpo.training.results import EpochResult

TOLERANCE = 5
"""Steps of the metric by which the best epoch may differ elsewhere than on the same CPU: 0.25 dB
of PSNR."""


@dataclass(frozen=True, slots=True)
class Again:
    """A trial's curve as it is stored, and as it is now; what else differs, in words."""

    stored: Sequence[EpochResult]
    now: list[EpochResult]
    differences: list[str]
    metric: Metric
    """In which both are compared: what people see of the study's objective."""

    @property
    def identical(self) -> bool:
        return [*self.stored] == self.now

    @property
    def best(self) -> tuple[float, float]:
        """The best value of any epoch: stored, now."""
        stored, now = (
            min((self.metric.of(each) for each in curve), key=self.metric.rank)
            for curve in (self.stored, self.now)
        )
        return stored, now

    @property
    def reproduced(self) -> bool:
        """Identical; or within `TOLERANCE` where something else differs."""
        stored, now = map(self.metric.decibel, self.best)
        close = abs(stored - now) <= TOLERANCE * self.metric.step
        return self.identical or (bool(self.differences) and close)


def reproduce(
    opened: StudyHandle,
    trial: StoredTrial,
    inputs: Inputs,
    device: torch.device,
    *,
    epoch_done: Callable[[EpochResult], None],
) -> Again:
    """Train the trial from its stored config and seeds, for as many epochs as it has.

    Raises:
        StudyError: it has no epochs.
    """
    stored, config, run = trial.record.epochs, trial.config, trial.record.run
    if not stored or config is None or run is None:
        why = trial.record.reason or f"it is {trial.ending}"
        raise StudyError(
            f"study {opened.name}", [f"trial {trial.number} has no stored curve: {why}"]
        )
    torch.set_num_threads(run.threads)
    training = build_training(
        opened.study.task,
        config,
        inputs.prepared,
        seed=run.seed,
        precision=run.precision,
        best_by=opened.study.search.objective,
    )
    for result in islice(training, len(stored)):
        epoch_done(result)
    differences = _differences(run, opened, inputs, device)
    n_fused = trial.record.n_fused or 1
    if n_fused > 1:
        differences.append(f"trained with {n_fused - 1} others at once, now alone")
    return Again(stored, list(training.history), differences, opened.study.search.objective.shown)


def _differences(
    run: RunRecord, opened: StudyHandle, inputs: Inputs, device: torch.device
) -> list[str]:
    """What is not as it was when the trial was trained."""
    now = {
        "device": device_name(device),
        "cpu": cpu_name(),
        "data": inputs.images.hash[:12],
        "code": git_state(),
        **versions(),
    }
    then = {
        "device": run.device,
        "cpu": run.cpu,
        "data": run.data_hash[:12],
        "code": run.git,
        **run.versions,
    }
    return [
        f"{name}: {then.get(name)} then, {value} now"
        for name, value in now.items()
        if then.get(name) != value
    ]
