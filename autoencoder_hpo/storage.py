"""The trial database: opening it safely, from any number of processes at once."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from autoencoder_hpo.errors import StorageError
from autoencoder_hpo.postgres import start_embedded
from autoencoder_hpo.settings import Settings

optuna.logging.set_verbosity(optuna.logging.WARNING)  # we print our own lines
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

POOL = {
    "pool_pre_ping": True,  # a connection that was dropped is replaced, not noticed (R6)
    "pool_recycle": 600,
    "pool_size": 2,
    "max_overflow": 2,
}
CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "autoencoder-hpo",
    "options": "-c timezone=UTC",  # a session elsewhere misreads heartbeats (R4)
}
OPTUNA_TABLE = "version_info"


@dataclass(frozen=True, slots=True)
class Storage:
    """An open database. `shown` is its URL without the password."""

    shown: str
    rdb: RDBStorage
    optuna: BaseStorage

    @property
    def engine(self) -> Engine:
        return self.rdb.engine

    @property
    def is_server(self) -> bool:
        return bool(self.engine.dialect.name == "postgresql")

    def now(self) -> float:
        """The database's clock, in seconds since 1970: the only clock that is shared."""
        sql = (
            "extract(epoch from clock_timestamp())"
            if self.is_server
            else "(julianday('now') - 2440587.5) * 86400.0"
        )
        with self.engine.connect() as connection:
            return float(connection.execute(sqlalchemy.text(f"select {sql}")).scalar_one())

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock of this name: one process on any machine at a time.

        The lock goes with its connection, so a killed process frees it. SQLite serves one
        process and needs none.
        """
        if not self.is_server:
            yield
            return
        with self.engine.begin() as connection:
            _advisory_lock(connection, name)
            yield


def open_storage(url: str | None, settings: Settings) -> Storage:
    """Open the database at `url`, or that of the settings, or the embedded one.

    Creates Optuna's tables in an empty database, also when several processes ask at once (R1).

    Raises:
        StorageError: no such server, wrong password, or a database that is not ours.
    """
    given = url or settings.storage
    if given:
        target = _parse(given, settings)
        shown = target.render_as_string(hide_password=True)
    else:
        target = make_url(start_embedded(settings.postgres))
        shown = f"the embedded PostgreSQL in {settings.home}"
    try:
        return _open(target, shown)
    except StorageError:
        raise
    except (SQLAlchemyError, RuntimeError, ImportError) as error:
        raise StorageError(f"{shown}: {_reason(error, target)}") from error


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


def _open(url: URL, shown: str) -> Storage:
    engine_args: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        engine_args = {**POOL, "connect_args": CONNECT}
    engine = sqlalchemy.create_engine(url, **engine_args)
    with engine.begin() as connection:  # held until the tables stand
        if connection.dialect.name == "postgresql":
            _advisory_lock(connection, "schema")
        _refuse_foreign_tables(connection, shown)
        rdb = RDBStorage(url.render_as_string(hide_password=False), engine_kwargs=engine_args)
    engine.dispose()
    # Public, and the only way to the cache that keeps a thousand trials from being read again.
    return Storage(shown, rdb, optuna.storages.get_storage(rdb))


def _advisory_lock(connection: Connection, name: str) -> None:
    digest = hashlib.sha256(f"autoencoder-hpo {name}".encode()).digest()[:8]
    key = int.from_bytes(digest, signed=True)
    connection.execute(sqlalchemy.text("select pg_advisory_xact_lock(:key)"), {"key": key})


def _refuse_foreign_tables(connection: Connection, shown: str) -> None:
    tables = sqlalchemy.inspect(connection).get_table_names()
    if tables and OPTUNA_TABLE not in tables:
        raise StorageError(
            f"{shown}: the database holds other tables ({', '.join(sorted(tables)[:3])}); give "
            "autoencoder-hpo a database of its own (createdb NAME)"
        )


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
        ("version of optuna", "it was made by another version of Optuna; see `optuna storage "
         "upgrade --help`"),
    ):  # fmt: skip
        if clue in text:
            return said
    return " ".join(text.split())
