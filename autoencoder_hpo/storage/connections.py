"""Connections to the database's server, and locks in it, shared by any number of processes.

All of them together keep within `CONNECTIONS` (R17): whoever connects makes sure that there is
room, whoever waits for a lock holds a connection only while its turn is near, and whoever trains
or waits for something else has none.
"""

import hashlib
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from psycopg2.errors import LockNotAvailable
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

CONNECTIONS = 60
"""What all processes together use, of the hundred that PostgreSQL allows unless told otherwise."""
ROOM_S = 30.0
"""How long a process waits for room among them; then it connects all the same."""
QUEUE = 16
"""Processes that wait for a lock in the database, each with a connection; others wait outside."""
QUEUE_S = 2.0
MOST_PAUSE_S = 4.0
FROZEN_S = 20
"""A process that stands still within a transaction loses it, and its locks, after this long."""
NAME = "autoencoder-hpo"
CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds: a host that vanished is noticed
    "application_name": NAME,
    # A session elsewhere misreads heartbeats (R4).
    "options": f"-c timezone=UTC -c idle_in_transaction_session_timeout={FROZEN_S}s",
}


class Pool(QueuePool):
    """Connections that are kept for a next statement, until `dispose`.

    One that another thread uses meanwhile is closed when it comes back; in SQLAlchemy's own pool
    it would stay open until the garbage collector finds it. As long as a thread waits for one, it
    is left to that thread, which would else wait for the pool's whole time limit.
    """

    _sqla_logger_namespace = "sqlalchemy.pool.Pool"  # else it would speak as one of our modules

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._disposed = False
        self._asking: set[int] = set()  # threads
        self._closing = threading.Lock()

    def dispose(self) -> None:
        self._disposed = True
        self._close_unused()

    def _close_unused(self) -> None:
        with self._closing:
            if not self._asking:
                super().dispose()

    def _do_get(self) -> ConnectionPoolEntry:  # which calls itself where another thread was faster
        self._asks(True)
        try:
            return super()._do_get()
        finally:
            self._asks(False)
            if self._disposed:
                self._close_unused()

    def _create_connection(self) -> ConnectionPoolEntry:
        self._asks(False)  # who opens one, which may take `ROOM_S`, waits for none of the others
        return super()._create_connection()

    def _asks(self, asks: bool) -> None:
        with self._closing:
            (self._asking.add if asks else self._asking.discard)(threading.get_ident())

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if self._disposed:
            self._close_unused()


def engine_args(url: URL) -> dict[str, Any]:
    """What `create_engine` needs for this database."""
    if url.get_backend_name() != "postgresql":
        return {}
    return {
        "poolclass": Pool,
        "pool_pre_ping": True,  # a connection that was dropped is replaced, not noticed (R6)
        "pool_recycle": 600,
        "pool_size": 2,
        "max_overflow": 2,
        "connect_args": CONNECT,
    }


def is_server(at: Engine | Connection) -> bool:
    """Whether it is PostgreSQL, rather than a file of SQLite."""
    return bool(at.dialect.name == "postgresql")


# ---- room ------------------------------------------------------------------------------


def budgeted(engine: Engine) -> Engine:
    """Let this engine connect only while there is room among our `CONNECTIONS`."""
    if is_server(engine):
        sqlalchemy.event.listen(engine, "do_connect", _connect_within_budget)
    return engine


def _connect_within_budget(
    dialect: Any, record: object, args: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    end, pause = time.monotonic() + ROOM_S, 0.5
    while True:
        connection = dialect.connect(*args, **options)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where application_name = %s", [NAME]
            )
            (used,) = cursor.fetchone()
        connection.autocommit = False
        if used <= CONNECTIONS or time.monotonic() > end:
            return connection
        connection.close()
        time.sleep(random.uniform(0, pause))
        pause = min(2 * MOST_PAUSE_S, 2 * pause)


# ---- locks -----------------------------------------------------------------------------


@contextmanager
def holding(engine: Engine, lock: str) -> Iterator[Connection]:
    """A connection in a transaction that has the lock.

    The first `QUEUE` that wait for it get it in turn. The others hold no connection.
    """
    pause = 0.25
    while True:
        with engine.begin() as connection:
            if not is_server(engine) or _queued(connection, lock):
                yield connection
                return
        engine.dispose()
        time.sleep(random.uniform(0, pause))
        pause = min(MOST_PAUSE_S, pause * 1.5)


def extend_idle_timeout(connection: Connection) -> None:
    """Let this transaction wait for longer work than others may."""
    if is_server(connection):
        sql = "set local idle_in_transaction_session_timeout = '5min'"
        connection.execute(sqlalchemy.text(sql))


def has_locked(connection: Connection, name: str) -> bool:
    return bool(_ask_for_lock(connection, "pg_try_advisory_xact_lock", name))


def _queued(connection: Connection, name: str) -> bool:
    """Wait for the lock; False when too many do, or it takes so long that we should look up."""
    if has_locked(connection, name):
        return True
    sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    if connection.execute(sqlalchemy.text(sql)).scalar_one() >= QUEUE:
        return False
    connection.execute(sqlalchemy.text(f"set local lock_timeout = '{1000 * QUEUE_S:.0f}ms'"))
    try:
        _ask_for_lock(connection, "pg_advisory_xact_lock", name)
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise
    connection.execute(sqlalchemy.text("set local lock_timeout = 0"))
    return True


def _ask_for_lock(connection: Connection, function: str, name: str) -> Any:
    digest = hashlib.sha256(f"autoencoder-hpo {name}".encode()).digest()[:8]
    key = int.from_bytes(digest, signed=True)
    sql = sqlalchemy.text(f"select {function}(:key)")
    return connection.execute(sql, {"key": key}).scalar_one()
