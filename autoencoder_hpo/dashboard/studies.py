"""Renaming and deleting studies, without taking them from under running workers."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import TrialState
from werkzeug.wrappers import Request, Response

from autoencoder_hpo.dashboard.pages import said
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.store import remove_files
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.records import stored
from autoencoder_hpo.storage.stalled import requeue_silent
from autoencoder_hpo.storage.study import rename_study, study_lock
from autoencoder_hpo.storage.study_records import is_ours, uid_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STUDY = re.compile(r"/api/studies/(\d+)(/rename)?/?")


@dataclass(frozen=True, slots=True)
class Steward:
    """A WSGI application in front of optuna-dashboard, for what touches a whole study.

    Its own way of renaming is a copy with other numbers; its own way of deleting stops at the
    first file that is missing.
    """

    inner: "WSGIApplication"
    storage: Storage
    settings: Settings

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        match request.method, STUDY.fullmatch(request.path):
            case "DELETE", re.Match() as found if found[2] is None:
                answer = self._change(int(found[1]), self._delete)
            case "POST", re.Match() as found if found[2]:
                name = (request.get_json(silent=True) or {}).get("study_name")
                answer = self._change(int(found[1]), lambda tx, n: self._rename(tx, n, name))
            case _:
                return self.inner(environ, start_response)
        return answer(environ, start_response)

    def _change(self, number: int, change: Callable[[Storage, int], Response]) -> Response:
        """Under the study's lock, so that no worker takes a trial meanwhile."""
        with self.storage.transaction(study_lock(number)) as tx:
            name = dict(tx.studies()).get(number)
            if name is None:
                return said(404, f"there is no study {number}")
            return self._busy(tx, number, name) or change(tx, number)

    def _delete(self, tx: Storage, number: int) -> Response:
        uid = uid_of(tx.optuna.get_study_user_attrs(number))
        trials = len(tx.optuna.get_all_trials(number, deepcopy=False))
        tx.optuna.delete_study(number)
        if uid:
            remove_files(self.settings, uid, trials)
        return Response("", 204)

    def _rename(self, tx: Storage, number: int, name: object) -> Response:
        try:
            rename_study(tx, number, name if isinstance(name, str) else "")
        except StudyError as error:
            return said(400, str(error))
        renamed = {
            "study_id": number,
            "study_name": name,
            "directions": [each.name.lower() for each in tx.optuna.get_study_directions(number)],
            "user_attrs": [],
            "is_preferential": False,
        }
        return Response(json.dumps(renamed), 201, content_type="application/json")

    def _busy(self, tx: Storage, number: int, name: str) -> Response | None:
        """Why the study must stay as it is: a worker trains one of its trials."""
        if not is_ours(tx.optuna.get_study_user_attrs(number)):  # nobody of ours works on it
            return None
        requeue_silent(tx, number)  # a trial whose worker was lost does not count
        trials = tx.optuna.get_all_trials(number, deepcopy=False, states=(TrialState.RUNNING,))
        if not trials:
            return None
        workers = sorted({str(trial.record.worker) for trial in stored(trials)})
        return said(409, f"{name} has running workers ({', '.join(workers)}); stop them first")
