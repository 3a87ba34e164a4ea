"""What the pruner says of a running trial, asked while the training goes on.

A trial ends at the same epoch however long the answer takes: an epoch that was begun meanwhile is
dropped when the answer is yes, and is not over before there is one.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.samplers import PruningCheck
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker.heartbeat import Heartbeat

VERDICT_S = 5.0
"""How long a rung waits for the database before the trial goes on unpruned."""


class AsyncPruner:
    """Asks about one trial, in a thread of its own while the block lasts."""

    def __init__(self, opened: StudyHandle, number: int, heartbeat: Heartbeat) -> None:
        self._opened = opened
        self._heartbeat = heartbeat
        self._judge = PruningCheck(opened, number)
        self._thread = ThreadPoolExecutor(1, "pruner")
        self._asked: Future[bool] | None = None

    def __enter__(self) -> "AsyncPruner":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()

    def ask(self, values: Mapping[int, float]) -> None:
        """Whether the trial falls behind, whose objective came to these values so far."""
        self._asked = self._thread.submit(self._falls_behind, dict(values))

    def behind(self) -> bool:
        """What is known by now; an answer that is not there yet is a no."""
        return self._asked is not None and self._asked.done() and self._asked.result()

    def awaited(self) -> bool:
        """The answer to what was asked last."""
        return self._asked is not None and self._asked.result()

    def _falls_behind(self, values: dict[int, float]) -> bool:
        """What the pruner says; while the database is away, a trial goes on."""
        if not self._heartbeat.told(VERDICT_S):
            return False
        try:
            complete = self._heartbeat.ownership.complete
            return self._judge.falls_behind(values, complete=complete)
        except Exception as error:
            if not is_outage(error):
                raise
            self._opened.storage.outages.saw()
            return False
        finally:
            self._opened.storage.release_connections()
