"""A dashboard in this process, over a real database and with a finished trial."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from support import Create, inputs_of
from werkzeug.test import Client, TestResponse

from autoencoder_hpo.dashboard.access import Passwords
from autoencoder_hpo.dashboard.app import make_app
from autoencoder_hpo.dashboard.gate import Gate
from autoencoder_hpo.storage.claiming import Claimed, claim
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.trial import run_trial

ADMIN, VIEWER = "admins-password", "viewers-password"


@dataclass(frozen=True)
class Browser:
    """Requests as a browser or a script would send them."""

    gate: Gate

    def __call__(
        self,
        method: str,
        path: str,
        password: str | None = None,
        host: str = "localhost:8080",
        **how: object,
    ) -> TestResponse:
        auth = None if password is None else ("anybody", password)
        headers = {"Host": host, **how.pop("headers", {})}  # type: ignore[dict-item]
        client = Client(self.gate, use_cookies=False)
        return client.open(path, method=method, auth=auth, headers=headers, buffered=True, **how)


@pytest.fixture
def trained(create: Create, context: WorkerContext) -> StudyHandle:
    """A study with one complete trial; its worker is gone."""
    opened = create()
    claimed = claim(opened, context.worker)
    assert isinstance(claimed, Claimed)
    data = inputs_of(opened.file, context.settings).prepared
    run_trial(opened, claimed, data, context, cancelled=lambda: False)
    return opened


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def browser(storage: Storage, context: WorkerContext, slept: list[float]) -> Browser:
    gate = make_app(storage, context.settings, Passwords(ADMIN, VIEWER))
    return Browser(
        Gate(gate.inner, gate.passwords, gate.sessions, gate.healthy, sleep=slept.append)
    )


Request = Callable[..., TestResponse]
