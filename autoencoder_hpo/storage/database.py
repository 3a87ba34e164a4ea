"""The trial database: opening it safely, from any number of processes at once."""

import json
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import scoped_session, sessionmaker

from autoencoder_hpo.errors import StorageError
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.connections import (
    budgeted,
    engine_args,
    extend_idle_timeout,
    has_locked,
    holding,
    is_server,
)
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.outages import Outages, wait_for_server, wait_out

optuna.logging.set_verbosity(optuna.logging.ERROR)  # we print our own lines
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
T = TypeVar("T")
Owner = Literal["trial_user", "trial_system", "study_user", "study_system"]

OPTUNA_TABLE = "version_info"


@dataclass(frozen=True, slots=True)
class Storage:
    """An open database. `shown` is its URL without the password."""

    shown: str
    rdb: RDBStorage
    optuna: BaseStorage
    grace: float
    """Seconds without a beat after which a trial is taken to have lost its worker."""
    outages: Outages = field(default_factory=Outages)
    _connection: Connection | None = None
    _alone: threading.RLock = field(default_factory=threading.RLock)

    @property
    def engine(self) -> Engine:
        return self.rdb.engine

    @property
    def is_server(self) -> bool:
        return is_server(self.engine)

    def with_retry(self, do: Callable[[], T], stop: Callable[[], bool] = lambda: False) -> T:
        """Do this, again while the database is away. Raises UnreachableError as `wait_out` does."""
        return wait_out(do, self.outages, shown=self.shown, stop=stop)

    # ---- reading and writing past Optuna, which takes a statement or five for each value ----

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What one statement answers."""
        with self._connected() as connection:
            found = connection.execute(sqlalchemy.text(sql), values)
            return list(found) if found.returns_rows else []

    def write_many(self, sql: str, values: list[dict[str, Any]]) -> None:
        """One statement for each of these sets of values."""
        if values:
            with self._connected() as connection:
                connection.execute(sqlalchemy.text(sql), values)

    def write_attrs(self, owner: Owner, number: int, attrs: Mapping[str, Any]) -> None:
        """Set attributes of a trial or a study, as Optuna would one by one."""
        column = f"{owner.split('_')[0]}_id"
        self.write_many(
            f"insert into {owner}_attributes ({column}, key, value_json) "
            "values (:number, :key, :value) "
            f"on conflict ({column}, key) do update set value_json = excluded.value_json",
            [{"number": number, "key": k, "value": json.dumps(v)} for k, v in attrs.items()],
        )

    def release_connections(self) -> None:
        """Close the connections that are kept for a next statement.

        A process that trains or waits has none, so that a server's hundred serve any number of
        workers (R17).
        """
        if self.is_server:
            self.engine.dispose()

    def _connected(self) -> Any:
        return nullcontext(self._connection) if self._connection else self.engine.begin()

    def now(self) -> float:
        """The database's clock, in seconds since 1970: the only clock that is shared."""
        sql = (
            "extract(epoch from clock_timestamp())"
            if self.is_server
            else "(julianday('now') - 2440587.5) * 86400.0"
        )
        return float(self.rows(f"select {sql}")[0][0])

    def studies(self) -> list[tuple[int, str]]:
        """Number and name of every study, oldest first. Optuna's own list reads all attributes."""
        found = self.rows("select study_id, study_name from studies order by study_id")
        return [(int(number), str(name)) for number, name in found]

    # ---- one at a time ------------------------------------------------------------------

    @contextmanager
    def transaction(self, lock: str) -> Iterator["Storage"]:
        """All that is done with what this yields, or nothing, while nobody else holds the lock.

        The lock and the writing share a connection. Whoever is killed, frozen or cut off in the
        middle has therefore written nothing and holds nobody up. Who waits for the lock holds no
        connection. SQLite serves one process, whose threads take turns.
        """
        if not self.is_server:
            with self._alone:
                yield self
            return
        with holding(self.engine, lock) as connection:
            yield self._within(connection)

    @contextmanager
    def writing(self) -> Iterator["Storage"]:
        """All that is done with what this yields, or nothing."""
        if not self.is_server:
            with self._alone:
                yield self
            return
        with self.engine.begin() as connection:
            yield self._within(connection)

    @contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock of this name: one process on any machine at a time.

        For long work, which is done on other connections. The lock goes with its own, so a
        killed process frees it. Without `wait`, yields whether the lock was free.
        """
        if not self.is_server:
            yield True
            return
        held = holding(self.engine, name) if wait else self.engine.begin()
        with held as connection:
            extend_idle_timeout(connection)
            yield wait or has_locked(connection, name)

    def _within(self, connection: Connection) -> "Storage":
        """The same storage, Optuna's part of it too, on a connection in a transaction."""
        rdb = object.__new__(RDBStorage)  # a copy would make an engine of its own
        rdb.__dict__.update(self.rdb.__dict__)
        session = sessionmaker(bind=connection, join_transaction_mode="create_savepoint")
        rdb.scoped_session = scoped_session(session)
        return replace(self, rdb=rdb, optuna=rdb, _connection=connection)


def open_storage(
    url: str | None, settings: Settings, *, stop: Callable[[], bool] | None = None
) -> Storage:
    """Open the database at `url`, or that of the settings, or the embedded one.

    Creates Optuna's tables in an empty database, also when several processes ask at once (R1).

    Args:
        stop: given, a server that is not there yet is waited for until this says yes.

    Raises:
        StorageError: no such server, wrong password, or a database that is not ours.
    """
    target, shown = _target(url, settings)
    with _said_in_one_line(target, shown):
        return wait_for_server(lambda: _open(target, shown, settings.grace), shown=shown, stop=stop)


def _target(url: str | None, settings: Settings) -> tuple[URL, str]:
    """The database's URL, and how it is called in messages."""
    given = url or settings.storage
    if given:
        target = _parse(given, settings)
        return target, target.render_as_string(hide_password=True)
    target = make_url(start_embedded(settings.postgres))
    return target, f"the embedded PostgreSQL in {settings.home}"


@contextmanager
def _said_in_one_line(target: URL, shown: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (SQLAlchemyError, RuntimeError, ImportError) as error:
        raise StorageError(f"{shown}: {_reason(error, target)}") from error


def migrate_storage(url: str | None, settings: Settings) -> str:
    """Create the tables, or upgrade those of an older Optuna; returns what was done.

    Raises:
        StorageError: as `open_storage` does.
    """
    target, shown = _target(url, settings)
    with _said_in_one_line(target, shown):
        return _migrate(target, shown)


def _parse(given: str, settings: Settings) -> URL:
    try:
        url = make_url(given)
    except (ArgumentError, ValueError) as error:
        raise StorageError(
            "--storage is not a database URL; write postgresql+psycopg2://USER@HOST:5432/DATABASE"
        ) from error
    if url.drivername in ("postgresql", "postgres"):  # SQLAlchemy 2.1 would take psycopg 3
        url = url.set(drivername="postgresql+psycopg2")
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise StorageError(
            f"{url.render_as_string()}: {url.get_backend_name()} is not supported; use "
            "postgresql+psycopg2://… (or sqlite:///FILE for one process)"
        )
    password = settings.password()
    return url.set(password=password) if password and url.password is None else url


def _migrate(url: URL, shown: str) -> str:
    with _schema_held(url, shown) as is_new:
        rdb = _rdb(url, any_version=True)
        before, wanted = rdb.get_current_version(), rdb.get_head_version()
        if before != wanted:
            rdb.upgrade()
        rdb.engine.dispose()
    if is_new:
        return f"{shown}: created the tables ({wanted})"
    changed = f"upgraded from {before} to {wanted}" if before != wanted else f"{wanted}, as it was"
    return f"{shown}: {changed}"


@contextmanager
def _schema_held(url: URL, shown: str) -> Iterator[bool]:
    """Nobody else creates or changes tables meanwhile; yields whether there are none yet."""
    engine = budgeted(sqlalchemy.create_engine(url, **engine_args(url)))
    try:
        with holding(engine, "schema") as connection:
            extend_idle_timeout(connection)  # the work is done on other connections
            yield _is_empty(connection, shown)
    finally:
        engine.dispose()


def _rdb(url: URL, *, any_version: bool = False) -> RDBStorage:
    rdb = RDBStorage(
        url.render_as_string(hide_password=False),
        engine_kwargs=engine_args(url),
        skip_compatibility_check=any_version,
    )
    budgeted(rdb.engine)
    return rdb


def _open(url: URL, shown: str, grace: float) -> Storage:
    with _schema_held(url, shown):
        rdb = _rdb(url)
        rdb.engine.dispose()
    # Public, and the only way to the cache that keeps a thousand trials from being read again.
    return Storage(shown, rdb, optuna.storages.get_storage(rdb), grace)


def _is_empty(connection: Connection, shown: str) -> bool:
    """Whether there are no tables yet. Raises StorageError when there are other people's."""
    tables = sqlalchemy.inspect(connection).get_table_names()
    if tables and OPTUNA_TABLE not in tables:
        raise StorageError(
            f"{shown}: the database holds other tables ({', '.join(sorted(tables)[:3])}); give "
            "autoencoder-hpo a database of its own (createdb NAME)"
        )
    return not tables


def _reason(error: Exception, url: URL) -> str:
    """What a person should read of a driver's many lines."""
    if isinstance(error, NoSuchModuleError | ImportError):
        return f"there is no driver {url.drivername}; write postgresql+psycopg2://…"
    text = str(getattr(error, "orig", None) or error)
    for clue, said in (
        ("password authentication failed", "wrong user or password; set it in the URL, or in the "
         "file that AUTOENCODER_HPO_STORAGE_PASSWORD_FILE names"),
        ("no password supplied", "the server wants a password; set "
         "AUTOENCODER_HPO_STORAGE_PASSWORD_FILE"),
        ("Connection refused", "nothing answers there; is PostgreSQL running?"),
        ("No such file or directory", "nothing answers there; is PostgreSQL running?"),
        ("could not translate host name", "there is no such host"),
        ("timeout expired", "no answer within 10 s; is the host right, and a firewall open?"),
        ("does not exist", text.strip().splitlines()[-1].split("FATAL:")[-1].strip()
         + "; create it first"),
        ("unable to open database file", "the file cannot be opened; is its folder there and "
         "writable?"),
        ("not a database", "the file is not an SQLite database"),
        ("readonly database", "the file is read-only"),
        ("version of optuna", "it was made by another version of Optuna; `autoencoder-hpo migrate` "
         "brings an older one up to date"),
    ):  # fmt: skip
        if clue in text:
            return said
    return " ".join(text.split())
