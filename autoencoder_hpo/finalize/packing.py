"""The finished denoiser, with its evidence, as a bundle."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from autoencoder_hpo.bundle import BundleConfig, write_bundle
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.data.splits import SearchData
from autoencoder_hpo.finalize.card import model_card
from autoencoder_hpo.finalize.images import HeldOutImages
from autoencoder_hpo.finalize.plan import Plan
from autoencoder_hpo.finalize.results import Finalized
from autoencoder_hpo.finalize.retraining import Job, Retrained
from autoencoder_hpo.finalize.testing import restore_with
from autoencoder_hpo.models import Denoiser, build_model
from autoencoder_hpo.provenance import versions
from autoencoder_hpo.showcase.pictures import png, restoration
from autoencoder_hpo.showcase.preview_images import choose_probes, crop
from autoencoder_hpo.training.prepared import DeviceData

EXAMPLES = 16
"""Test images on which the ONNX file is compared with the model."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """The winner as it goes into the bundle."""

    plan: Plan
    job: Job
    final: Retrained
    everything: SearchData
    model: Denoiser

    @property
    def standardization(self) -> tuple[float, float]:
        """What the model subtracts from its input and divides it by."""
        return float(self.model.mean), float(self.model.std)


def load_model(job: Job, final: Retrained, everything: SearchData) -> Denoiser:
    """The winner's network with its weights, on the CPU; its standardization is among them."""
    model = build_model(job.config.model, everything.shape)
    model.load_state_dict(final.weights)
    return model.eval()


def pack(packed: Packed, result: Finalized, test: HeldOutImages) -> None:
    """Write the bundle. Raises BundleError, DiskError."""
    plan = packed.plan
    write_bundle(
        plan.out,
        model=packed.model.cpu(),
        config=bundle_config(packed),
        scores=scores_of(result, plan.opened.study.search.objective.shown),
        card=model_card(
            result,
            plan,
            model=packed.job.config.model,
            shape=packed.everything.shape,
            versions=versions(),
        ),
        pictures={"restored.png": sample_picture(packed, test)},
        examples_NCHW=test.noisy[:EXAMPLES].clamp(0, 1),
        overwrite=plan.request.overwrite,
    )


def scores_of(result: Finalized, metric: Metric) -> dict[str, Any]:
    """The results as JSON has them; of the looks no date and no name of a person or machine.

    `metric`: in which the contest was held; its name stands at the means, such as `psnr`.
    """
    plain = asdict(result)
    verdict = plain["contest"]["verdict"]
    verdict["ranking"] = [
        {metric.key if name == "mean" else name: given for name, given in each.items()}
        for each in verdict["ranking"]
    ]
    plain["not_beaten"] = list(result.tested.not_beaten)
    plain["looks"] = [
        {"trial": look.trial, "psnr": look.psnr, "images": look.images} for look in result.looks
    ]
    return plain


def bundle_config(packed: Packed) -> BundleConfig:
    mean, std = packed.standardization
    low, high = _stored_range(packed.everything)
    return BundleConfig(
        study=packed.plan.opened.name,
        trial=packed.job.trial,
        task=packed.job.task,
        config=packed.job.config,
        shape=packed.everything.shape,
        mean=mean,
        std=std,
        low=low,
        high=high,
        versions=versions(),
    )


def _stored_range(images: SearchData) -> tuple[float, float]:
    """The stored values that became 0 and 1; columns with scales of their own have no one range."""
    scaling = images.scaling
    if scaling is None or scaling.low.numel() > 1 or scaling.high <= scaling.low:
        return 0.0, 1.0
    return float(scaling.low), float(scaling.high)


def sample_picture(packed: Packed, test: HeldOutImages) -> bytes:
    """noisy | restored | clean | error, for typical and hard test images."""
    cpu = torch.device("cpu")
    shown = DeviceData(cpu, test.clean[:0], None, test.clean, test.noisy, mean=0.0, std=1.0)
    probes = choose_probes(shown)
    restored = restore_with(packed.model, cpu)(test.noisy[probes.index])
    return png(restoration(probes, crop(restored), captions={}))
