"""Tiny studies, finished in a second or two, to be finalized."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Create, inputs_of

from autoencoder_hpo.finalize.plan import Request
from autoencoder_hpo.finalize.results import Finalized
from autoencoder_hpo.finalize.run import finalize
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial

Finish = Callable[..., StudyHandle]
Run = Callable[..., Finalized]

MODELS = {
    "choice": [
        {"kind": "mlp", "depth": 1, "width": 16, "latent": 8},
        {"kind": "unet", "depth": 1, "channels": 4},
    ]
}
STARTS = [{"model": {"kind": "mlp"}}, {"model": {"kind": "unet"}}]
SMALL: dict[str, Any] = {
    "task": {
        "data": {"dataset": "digits", "train": 200, "validation": 24, "test": 60},
        "epochs": 2,
    },
    "search": {"trials": 2, "start": STARTS},
    "trial": {"model": MODELS},
}


@pytest.fixture
def finish(create: Create, context: WorkerContext) -> Finish:
    """Create a study with these changes, and work on it until its budget is used up."""

    def make(*, trials: int | None = None, **changes: Any) -> StudyHandle:
        opened = create(**(changes or SMALL))
        data = inputs_of(opened.file, context.settings).prepared
        for _ in range(trials or opened.study.search.trials or 0):
            claimed = claim(opened, context.worker)
            assert isinstance(claimed, Claimed), claimed
            run_trial(opened, claimed, data, context, cancelled=lambda: False)
        return opened

    return make


@pytest.fixture
def run(context: WorkerContext, tmp_path: Path) -> Run:
    """Finalize a study in this process; the bundle is `tmp_path / out`."""

    def make(opened: StudyHandle, out: str = "out.denoiser", **request: Any) -> Finalized:
        wanted = Request(
            **{"workers": 1, "seeds": 2, "device": "cpu", "threads": 1, **request},
            out=tmp_path / out,
        )
        result, written = finalize(opened, wanted, context.settings, tell=lambda _: None)
        assert written == tmp_path / out
        return result

    return make
