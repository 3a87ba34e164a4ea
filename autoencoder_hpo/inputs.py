"""A study's images on this machine: loaded, checked against the study, put on the device."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from autoencoder_hpo.baselines import affine_record, pca_record
from autoencoder_hpo.config import Corruption, TrialConfig
from autoencoder_hpo.data.splits import SearchData, folds, load_search_data
from autoencoder_hpo.data.statistics import image_statistics
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.settings import Settings, make_directory
from autoencoder_hpo.space import corners
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import StudyData
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.metrics import noisy_scores
from autoencoder_hpo.training.prepared import DeviceData, prepare
from autoencoder_hpo.training.results import Level


@dataclass(frozen=True, slots=True)
class Inputs:
    """A study's training and validation images, and one prepared set for each fold."""

    images: SearchData
    prepared: Sequence[DeviceData]
    corruption: Corruption | None
    """The task's; None for pairs."""


def load_inputs(file: StudyFile, settings: Settings, device: torch.device) -> Inputs:
    """Read the images of a study; the test images stay where they are.

    Relative paths are looked up in AUTOENCODER_HPO_DATA, else beside the study file.

    Raises:
        DataError: the images cannot be read, or are not what the study says.
    """
    task = file.study.task
    base = settings.data or Path(file.base)
    make_directory(settings.datasets)
    images = load_search_data(task, base=base, datasets=settings.datasets)
    sets = folds(images, task.folds, task.seed)
    prepared = [prepare(train, val, task, device) for train, val in sets]
    return Inputs(images, prepared, task.corruption)


def describe(inputs: Inputs) -> StudyData:
    """What a study stores of its images, and what they score without a model."""
    noisy = noisy_scores(inputs.prepared)
    return StudyData(
        uid=secrets.token_hex(4),
        hash=inputs.images.hash,
        counts=inputs.images.counts,
        shape=inputs.images.shape,
        noisy=Level(noisy.noisy_mse, noisy.noisy_psnr, noisy.noisy_ssim),
        affine=affine_record(inputs.prepared, inputs.corruption),
        groups=_group_sizes(inputs.prepared[0]),
        pca=pca_record(inputs.prepared),
        census=image_statistics(inputs.images),
        skipped=tuple(inputs.images.skipped),
    )


def _group_sizes(prepared: DeviceData) -> dict[str, int] | None:
    """Validation images of each class or folder."""
    return None if prepared.val_names is None else dict(Counter(prepared.val_names))


def check_objective(file: StudyFile, inputs: Inputs) -> None:
    """Raises StudyError: the objective has no value for images of this size."""
    refused = file.study.search.objective.refuses_shape(inputs.images.shape)
    if refused is not None:
        raise StudyError(file.where, [f"search.objective: {refused}"])


def check_models(file: StudyFile, inputs: Inputs) -> None:
    """Try every corner's model on the shape of the images.

    Raises:
        StudyError: a model cannot take them; names each reason once.
    """
    every = (TrialConfig.model_validate(corner.config) for corner in corners(file.study.space))
    problems = []
    for model in {config.model for config in every}:
        try:
            model.check(inputs.images.shape)
        except ValueError as error:
            problems.append(f"trial.model: {error}")
    if problems:
        raise StudyError(file.where, sorted(set(problems)))


def refuse_other_data(opened: StudyHandle, inputs: Inputs) -> None:
    """Refuse to work on images that are not those of the study.

    Raises:
        StudyError: their content hash differs.
    """
    stored = opened.data.hash
    if inputs.images.hash != stored:
        raise StudyError(
            f"study {opened.name}",
            [
                f"the images here (hash {inputs.images.hash[:12]}) are not those that the study "
                f"was created with ({stored[:12]}); restore them, or set AUTOENCODER_HPO_DATA to "
                "the folder that holds them"
            ],
        )
