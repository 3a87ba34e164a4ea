"""The baselines on the test images: tuned once, and kept for the next start."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError

from autoencoder_hpo.baselines import fit_baselines
from autoencoder_hpo.data.splits import SearchData
from autoencoder_hpo.finalize.images import HeldOutImages
from autoencoder_hpo.finalize.plan import Plan
from autoencoder_hpo.finalize.pool import Tell
from autoencoder_hpo.finalize.results import Step
from autoencoder_hpo.finalize.retraining import keep_whole
from autoencoder_hpo.finalize.testing import BaselineScores, score_baseline
from autoencoder_hpo.provenance import versions
from autoencoder_hpo.training.prepared import prepare

FILE = "baselines.json"
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Stored:
    key: str
    scores: tuple[BaselineScores, ...]


_STORED: TypeAdapter[Stored] = TypeAdapter(Stored)


def baseline_scores(
    plan: Plan, everything: SearchData, test: HeldOutImages, tell: Tell
) -> tuple[BaselineScores, ...]:
    """Fitted on all training images, tuned on validation, measured on the test images."""
    path, key = plan.folder / FILE, _key(plan, everything)
    stored = _read(path)
    if stored is not None and stored.key == key:
        return stored.scores
    scores = _measure(plan, everything, test, tell)
    keep_whole(path, _STORED.dump_json(Stored(key, scores)))
    return scores


def _measure(
    plan: Plan, everything: SearchData, test: HeldOutImages, tell: Tell
) -> tuple[BaselineScores, ...]:
    def say(what: str) -> None:
        tell(Step("baselines", f"baselines: {what}", 0, None, None))

    say("tuning")
    task = plan.opened.study.task
    cpu = prepare(everything.train, everything.validation, task, CPU)
    methods = fit_baselines(
        cpu.train_clean,
        corruption=task.corruption,
        val_clean=cpu.val_clean,
        val_noisy=cpu.val_noisy,
        train_noisy=cpu.train_noisy,
        progress=say,
    )
    scores = []
    for method in methods:
        say(f"{method.name} on the test images")
        scores.append(score_baseline(method, test, plan.request.slow_images))
    return tuple(scores)


def _read(path: Path) -> Stored | None:
    try:
        return _STORED.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _key(plan: Plan, everything: SearchData) -> str:
    said = [
        plan.opened.data.hash,
        everything.hash,
        plan.opened.study.task.model_dump(mode="json"),
        plan.request.slow_images,
        versions(),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
