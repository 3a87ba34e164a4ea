"""optuna-dashboard with its guards around it."""

import logging
import re
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import bottle
import optuna_dashboard
from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Request, Response

from autoencoder_hpo.dashboard.access import Passwords, Sessions
from autoencoder_hpo.dashboard.gate import LOOPBACK, Gate
from autoencoder_hpo.dashboard.studies import Steward
from autoencoder_hpo.dashboard.view import View
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.store import ArtifactStore, open_store
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.stalled import requeue_all_stalled

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)
LOOKS_A_GRACE = 4
PICTURE = re.compile(r"/pictures/([0-9a-f-]{36})\.png")


def make_app(
    storage: Storage,
    settings: Settings,
    passwords: Passwords,
    hosts: Collection[str] = LOOPBACK,
) -> Gate:
    """The whole dashboard as a WSGI application.

    Args:
        hosts: names that it answers to, without port.
    """
    store = open_store(settings)
    stock = optuna_dashboard.wsgi(storage=View(storage.rdb), artifact_store=Artifacts(store))
    return Gate(
        inner=Pictures(Steward(stock, storage, settings), store),
        passwords=passwords,
        sessions=Sessions(passwords),
        healthy=lambda: answers(storage),
        hosts=hosts,
    )


def keep_looking(storage: Storage) -> None:
    """From now on, hand back lost trials of every study, also when no worker is left to do it."""

    def look() -> None:
        while True:
            time.sleep(storage.grace / LOOKS_A_GRACE)
            try:
                for study, number in requeue_all_stalled(storage):
                    log.info("study %d: trial %d had lost its worker, and waits", study, number)
            except Exception as error:
                if not is_outage(error):
                    raise
                storage.outages.saw()

    threading.Thread(target=look, name="lost trials", daemon=True).start()


def answers(storage: Storage) -> bool:
    """Whether the database is there."""
    try:
        storage.now()
    except SQLAlchemyError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Pictures:
    """A WSGI application in front of another that gives the pictures in notes: /pictures/ID.png."""

    inner: "WSGIApplication"
    store: ArtifactStore

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        wanted = PICTURE.fullmatch(request.path)
        if wanted is None:
            return self.inner(environ, start_response)
        try:
            with self.store.open_reader(wanted[1]) as file:
                answer = Response(file.read(), content_type="image/png")
        except ArtifactNotFound:
            answer = Response("no such picture", 404)
        return answer(environ, start_response)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The store, for which a missing file is "not found" and no error."""

    store: ArtifactStore

    def open_reader(self, artifact_id: str) -> BinaryIO:
        try:
            return self.store.open_reader(artifact_id)
        except ArtifactNotFound:
            raise bottle.HTTPError(404, "the file is not in the artifact store") from None

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        self.store.write(artifact_id, content_body)

    def remove(self, artifact_id: str) -> None:
        self.store.remove(artifact_id)
