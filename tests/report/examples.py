"""Made-up studies: histories as values, without a database and without training."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from records import RUN, as_facts, data_of, stored, summary_of
from support import study_file

from autoencoder_hpo.diagnosis.findings import Finding
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.gallery import Gallery
from autoencoder_hpo.storage.records import StoredTrial

NOISY = {"mse": 0.025, "psnr": 16.0, "ssim": 0.8}
AFFINE = {
    "mse": 0.012, "psnr": 19.0, "ssim": 0.9, "sees": "9×9 pixels", "images": 200, "groups": None,
}  # fmt: skip
DATA: dict[str, Any] = {
    "uid": "aa",
    "hash": "0123456789abcdef",
    "counts": {"train": 200, "validation": 64},
    "shape": [1, 8, 8],
    "noisy": NOISY,
    "affine": AFFINE,
}
START = datetime(2026, 1, 2, 3, 4)
RATE = FloatDistribution(1e-4, 1e-1, log=True)
MODELS = CategoricalDistribution(["mlp", "unet"])
FINDING = Finding(
    kind="edge-of-range",
    about="study",
    seen="The best trials lie at the low end of <width>.",
    figures={"low": 8.0},
    sure="likely",
    remedy="Let it go lower.",
    change="trial.model.width: {int: [2, 32]}",
)


def trial(
    number: int,
    psnr: float | None = 20.0,
    *,
    state: TrialState = TrialState.COMPLETE,
    epochs: int = 3,
    params: dict[str, Any] | None = None,
    distributions: dict[str, BaseDistribution] | None = None,
    **attrs: Any,
) -> FrozenTrial:
    """A trial that took 10 s, of which 6 s of training; a complete one rose to this PSNR."""
    params = {"optimizer.adam.learning_rate": 0.001} if params is None else params
    known = {"optimizer.adam.learning_rate": RATE, "model": MODELS} | (distributions or {})
    stored: dict[str, Any] = {"worker": "here:1", "run": RUN}
    if psnr is not None:
        mse = 10 ** (-psnr / 10)
        stored |= {
            "config": {"model": {"kind": params.get("model", "mlp")}},
            "history": [_epoch(epoch, psnr - (epochs - epoch)) for epoch in range(1, epochs + 1)],
            "val_psnr": psnr,
            "psnr_gain": psnr - NOISY["psnr"],
            "parameters": 1000 + number,
            "seconds": 6.0,
        }
        if state is TrialState.COMPLETE:
            scores = {"val_mse": mse, "val_psnr": psnr, "val_ssim": 0.9, "psnr_gain": psnr - 16.0}
            stored |= {"scores": scores | {"noisy_mse": 0.025, "noisy_psnr": 16.0}}
            stored |= {"best_epoch": epochs}
    made = create_trial(
        state=state,
        value=10 ** (-psnr / 10) if psnr is not None and state is TrialState.COMPLETE else None,
        params=params,
        distributions={name: known[name] for name in params},
        user_attrs=stored | attrs,
    )
    made.number = number
    made.datetime_start = START + timedelta(seconds=10 * number)
    done = state.is_finished()
    made.datetime_complete = made.datetime_start + timedelta(seconds=10) if done else None
    return made


def _epoch(epoch: int, psnr: float) -> dict[str, Any]:
    mse = 10 ** (-psnr / 10)
    return {"epoch": epoch, "train_loss": mse / 2, "val_mse": mse, "val_psnr": psnr,
            "learning_rate": 0.001}  # fmt: skip


def contents(
    trials: Sequence[FrozenTrial | StoredTrial],
    *,
    name: str = "tiny",
    data: dict[str, Any] | None = None,
    findings: Sequence[Finding] = (),
    audit: Sequence[dict[str, Any]] = (),
    state: str = "done",
    **changes: Any,
) -> Contents:
    """What is reported of these trials; `changes` are the study file's."""
    file, known = study_file(**changes), data_of(DATA | (data or {}))
    some = [stored(each) for each in trials]
    metric = file.study.search.objective
    return Contents(
        name=name,
        file=file.text,
        facts=as_facts(file.study, known, some, audit=audit),
        summary=summary_of(some, known, study=name, state=state, metric=metric),
        findings=findings,
        gallery=Gallery([], None),
        made=datetime(2026, 1, 2, 4, tzinfo=UTC),
    )


def mixed() -> Contents:
    """A study with trials of every state and two kinds of models, of which trial 4 is the best."""
    some = [
        trial(number, 18.0 + 0.25 * number, params={"model": model, "optimizer.adam.learning_rate": rate})
        for number, (model, rate) in enumerate(
            [("mlp", 0.001), ("unet", 0.002), ("mlp", 0.004), ("mlp", 0.01), ("unet", 0.02)]
        )
    ]  # fmt: skip
    pruned = trial(5, 15.0, state=TrialState.PRUNED, epochs=1, reason="unpromising after epoch 1")
    failed = trial(6, None, state=TrialState.FAIL, reason="RuntimeError: a <b>bug</b>")
    running = trial(7, None, state=TrialState.RUNNING)
    changes = {"search": {"pruner": {"kind": "median"}}}
    return contents([*some, pruned, failed, running], findings=[FINDING], **changes)


def renamed(given: Contents, name: str) -> Contents:
    return replace(given, name=name, summary=replace(given.summary, study=name))
