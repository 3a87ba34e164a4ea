"""Waiting out a database that is away: repeated while it is, and only then."""

import itertools
import time
from collections.abc import Callable

import optuna
import pytest
from sqlalchemy.exc import (
    IntegrityError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from autoencoder_hpo.errors import UnreachableError
from autoencoder_hpo.storage import outages
from autoencoder_hpo.storage.outages import Outages, is_outage, wait_for_server, wait_out

GONE = OperationalError("select 1", {}, Exception("server closed the connection unexpectedly"))


def wrapped(error: Exception) -> optuna.exceptions.StorageInternalError:
    """As Optuna raises what SQLAlchemy raised."""
    outer = optuna.exceptions.StorageInternalError("An exception is raised during the commit.")
    outer.__cause__ = error
    return outer


def failing(times: int, error: Exception) -> Callable[[], str]:
    calls = itertools.count(1)

    def do() -> str:
        if next(calls) <= times:
            raise error
        return "done"

    return do


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GONE, True),
        (wrapped(GONE), True),
        (PendingRollbackError("Can't reconnect"), True),
        (PoolTimeout("QueuePool limit reached"), True),
        (IntegrityError("insert", {}, Exception("duplicate key")), False),
        (ProgrammingError("select", {}, Exception("no such column")), False),
        (wrapped(IntegrityError("insert", {}, Exception("duplicate key"))), False),
        (ValueError("a bug"), False),
        (KeyError("no such trial"), False),
    ],
)
def test_what_is_an_outage(error: Exception, expected: bool) -> None:
    assert is_outage(error) is expected


def test_it_is_done_again_until_the_database_answers(caplog: pytest.LogCaptureFixture) -> None:
    seen = Outages()
    assert seen.ago == float("inf")
    assert wait_out(failing(3, GONE), seen, shown="the database") == "done"
    assert seen.ago < 5
    assert caplog.messages == [
        "the database does not answer; trying again until it does",
        "the database answers again",
    ]


def test_what_is_no_outage_is_not_done_again() -> None:
    with pytest.raises(ValueError, match="a bug"):
        wait_out(failing(1, ValueError("a bug")), Outages(), shown="the database")


def test_patience_ends_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "PATIENCE_S", 0.5)
    with pytest.raises(UnreachableError, match="the database has not answered for") as error:
        wait_out(failing(10**6, GONE), Outages(), shown="the database")
    assert "\n" not in str(error.value)


def test_who_is_asked_to_stop_tries_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "STOPPING_S", 0.5)
    started = time.monotonic()
    with pytest.raises(UnreachableError):
        wait_out(failing(10**6, GONE), Outages(), shown="the database", stop=lambda: True)
    assert time.monotonic() - started < 60  # not the quarter of an hour
    # a hand-back that works is done even then
    assert wait_out(failing(1, GONE), Outages(), shown="it", stop=lambda: True) == "done"


REFUSED = 'connection to server at "db", port 5432 failed: '
STARTING = [
    "FATAL:  the database system is starting up",
    "FATAL:  the database system is in recovery mode",
    "FATAL:  the database system is not yet accepting connections\n"
    "DETAIL:  Consistent recovery state has not been yet reached.",
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
]
AWAY = [
    "Connection refused",
    "FATAL:  the database system is shutting down",
    "server closed the connection unexpectedly",
    "FATAL:  terminating connection due to administrator command",
    "could not receive data from server: Connection reset by peer",
    'could not translate host name "db" to address: Temporary failure in name resolution',
]
WRONG = [
    'FATAL:  password authentication failed for user "ada"',
    'FATAL:  database "studies" does not exist',
    'could not translate host name "dbb" to address: Name or service not known',
]


def opening(said: str, *, service: bool) -> str:
    error = OperationalError(None, None, Exception(REFUSED + said))
    stop = (lambda: False) if service else None
    return wait_for_server(failing(1, error), shown="it", stop=stop)


@pytest.mark.parametrize("said", STARTING)
@pytest.mark.parametrize("service", [True, False])
def test_a_server_that_is_starting_is_waited_for(said: str, service: bool) -> None:
    assert opening(said, service=service) == "done"


@pytest.mark.parametrize("said", AWAY)
def test_one_that_is_not_there_is_waited_for_by_services_only(said: str) -> None:
    assert opening(said, service=True) == "done"
    with pytest.raises(OperationalError):
        opening(said, service=False)


@pytest.mark.parametrize("said", WRONG)
@pytest.mark.parametrize("service", [True, False])
def test_what_waiting_does_not_mend_is_said_at_once(said: str, service: bool) -> None:
    with pytest.raises(OperationalError):
        opening(said, service=service)
