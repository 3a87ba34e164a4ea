"""One small real study, trained once for all tests that only look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
import torch
from support import inputs_of, study_file

from autoencoder_hpo.inputs import describe
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.preview_images import choose_probes
from autoencoder_hpo.showcase.store import open_store
from autoencoder_hpo.showcase.study import refresh
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.samplers import with_search
from autoencoder_hpo.storage.study import StudyHandle, create_study
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("home")
    return Settings(home=folder, storage=None, password_file=None, data=None, grace=2.0)


@pytest.fixture(scope="module")
def shared(server: str, home: Settings, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database for this module."""
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"m{abs(hash(request.node.nodeid)) % 10**12}"
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"create database {name}"))
    yield server.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"drop database {name} with (force)"))
    admin.dispose()


@pytest.fixture(scope="module")
def finished(shared: str, home: Settings) -> Iterator[StudyHandle]:
    """A grid of two learning rates and two widths, all complete, with its gallery."""
    torch.set_num_threads(1)
    storage = open_storage(shared, home)
    file = study_file(
        task={"epochs": 2},
        search={"sampler": {"kind": "grid"}, "trials": 4},
        trial={
            "optimizer": {"kind": "adam", "learning_rate": [0.001, 0.01]},
            "model": {"kind": "mlp", "depth": 1, "width": [8, 32], "latent": 8},
        },
    )
    inputs = inputs_of(file, home)
    opened = with_search(create_study(storage, file, describe(inputs)))
    context = WorkerContext(worker="here:1", device=torch.device("cpu"), threads=1, settings=home)
    for _ in range(4):
        claimed = claim(opened, context.worker)
        assert isinstance(claimed, Claimed), claimed
        run_trial(opened, claimed, inputs.prepared, context, cancelled=lambda: False)
    probes = choose_probes(inputs.prepared[0])
    refresh(opened, store=open_store(home), probes=probes, last=True)
    yield opened
    storage.rdb.remove_session()
    storage.engine.dispose()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: str, home: Settings) -> Path:
    """The command line works in this folder, on the module's database and home."""
    monkeypatch.setenv("AUTOENCODER_HPO_HOME", str(home.home))
    monkeypatch.setenv("AUTOENCODER_HPO_STORAGE", shared)
    return tmp_path
