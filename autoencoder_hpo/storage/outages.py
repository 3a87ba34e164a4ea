"""A database that is away for a while: what that looks like, and how to wait it out."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    PendingRollbackError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_random_exponential,
)

from autoencoder_hpo.errors import UnreachableError

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE_S = 15 * 60.0
"""How long a database may be away before a process gives up."""
STOPPING_S = 4.0
"""How long a process that is asked to stop still tries."""
BUSY = ("too many clients", "remaining connection slots", "starting up", "in recovery mode",
        "not yet accepting connections")  # fmt: skip
NOT_THERE = ("Connection refused", "No such file or directory", "shutting down",
             "closed the connection", "already closed", "terminating connection",
             "could not receive data", "name resolution")  # fmt: skip
BUSY_S = 30.0
OURS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)  # not the server's fault


def is_outage(error: BaseException | None) -> bool:
    """Whether this says that the database cannot be reached, rather than that we asked wrongly.

    Optuna wraps what SQLAlchemy raises, so that causes count too.
    """
    return any(
        # The second was cut off before.
        isinstance(cause, PoolTimeout | PendingRollbackError)
        or (isinstance(cause, DBAPIError) and not isinstance(cause, OURS))
        for cause in _causes(error)
    )


def _says(error: BaseException, clues: Sequence[str]) -> bool:
    return any(clue in str(cause) for cause in _causes(error) for clue in clues)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def wait_for_server(do: Callable[[], T], *, shown: str, stop: Callable[[], bool] | None) -> T:
    """Do this, again for half a minute while the server is starting or has all it can serve.

    Who gives a `stop`, as services do, waits for a server that is not there yet, too, until then
    or for `PATIENCE_S`. What waiting does not mend, such as a wrong password, is raised at once.
    """
    clues = BUSY if stop is None else (*BUSY, *NOT_THERE)
    limit = BUSY_S if stop is None else PATIENCE_S
    started = time.monotonic()
    retrying = Retrying(
        retry=retry_if_exception(lambda error: _says(error, clues)),
        wait=wait_random_exponential(multiplier=0.25, max=4),
        stop=lambda _: time.monotonic() - started > limit or (stop is not None and stop()),
        before_sleep=lambda state: (
            log.warning("%s does not answer yet; trying again until it does", shown)
            if state.attempt_number == 1
            else None
        ),
        reraise=True,
    )
    return retrying(do)


class Outages:
    """What this process has seen of its database's outages; its threads share it."""

    def __init__(self) -> None:
        self._last: float | None = None

    def saw(self) -> None:
        self._last = time.monotonic()

    @property
    def ago(self) -> float:
        """Seconds since the database was last seen to be away; infinite if it never was."""
        return float("inf") if self._last is None else time.monotonic() - self._last


def wait_out(
    do: Callable[[], T],
    outages: Outages,
    *,
    shown: str,
    stop: Callable[[], bool] = lambda: False,
) -> T:
    """Do this, again and again while the database is away; what is done must bear repetition.

    The pauses grow to ten seconds and are random, so that many workers do not come back at once.

    Raises:
        UnreachableError: it stayed away for `PATIENCE_S`, or we were asked to `stop`.
    """
    started = time.monotonic()
    said = False

    def give_up(state: RetryCallState) -> bool:
        limit = STOPPING_S if stop() else PATIENCE_S
        return time.monotonic() - started > limit

    def note(state: RetryCallState) -> None:
        nonlocal said
        outages.saw()
        if not said:
            log.warning("%s does not answer; trying again until it does", shown)
            said = True

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stop():
            time.sleep(min(0.1, seconds))
        if stop():
            time.sleep(0.2)

    def lost(state: RetryCallState) -> T:
        assert state.outcome is not None
        cause = state.outcome.exception()
        minutes = round((time.monotonic() - started) / 60)
        raise UnreachableError(
            f"{shown} has not answered for {minutes} minutes; checkpoints keep what was trained: "
            "start again when it answers"
        ) from cause

    retrying = Retrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.25, max=10),
        stop=give_up,
        sleep=pause,
        before_sleep=note,
        retry_error_callback=lost,
    )
    result = retrying(do)
    if said:
        log.warning("%s answers again", shown)
    return result
