"""Opening the database: at once from many processes, and with one line when it cannot be."""

import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from support import until

from autoencoder_hpo.errors import StorageError
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage import connections
from autoencoder_hpo.storage.database import Storage, open_storage
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.storage.outages import is_outage

OPEN = """
import sys
from pathlib import Path
from autoencoder_hpo.storage.embedded import start_embedded
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import open_storage
open_storage(sys.argv[1], Settings(Path("/nowhere"), None, None, None))
"""
OTHERS = (
    "select count(*) from pg_stat_activity where datname = current_database() "
    "and pid <> pg_backend_pid() and backend_type = 'client backend'"  # no autovacuum
)
"""How many connections there are beside the one that asks."""


def test_six_processes_open_an_empty_database_at_once(database: str) -> None:
    """R1: with stock Optuna, five of six crash."""
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, database], stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    ended = [(p.communicate(timeout=120)[1], p.returncode) for p in processes]
    assert [code for _, code in ended] == [0] * 6, ended


def test_the_lock_lets_one_in_at_a_time(
    storage: Storage, database: str, settings: Settings
) -> None:
    other = open_storage(database, settings)
    order = []

    def enter() -> None:
        with other.locked("door"):
            order.append("second")

    with storage.locked("door"):
        thread = threading.Thread(target=enter)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    other.engine.dispose()
    assert order == ["first", "second"]


def test_locks_of_other_names_are_free(storage: Storage) -> None:
    with storage.locked("one"), storage.locked("two"):
        pass


def test_a_connection_that_is_in_use_while_others_close_is_closed_when_it_comes_back(
    storage: Storage,
) -> None:
    """R17: until the garbage collector found it, it would count among the server's hundred."""
    gc.disable()
    try:
        with storage.engine.connect() as connection:
            pid = connection.execute(sqlalchemy.text("select pg_backend_pid()")).scalar()
            thread = threading.Thread(target=storage.release_connections)
            thread.start()
            thread.join()
        there = "select count(*) from pg_stat_activity where pid = :pid"
        until(lambda: storage.rows(there, pid=pid)[0][0] == 0)
    finally:
        gc.enable()


def test_who_waits_for_a_connection_while_others_close_gets_one_that_comes_back(
    storage: Storage,
) -> None:
    """It would be closed under its eyes, and the pool's half a minute be waited to the end."""
    engine = storage.engine
    for _ in range(5):  # whether the waiting thread or the closing one is faster is luck
        storage.release_connections()
        used = [engine.connect() for _ in range(4)]
        waiting = threading.Thread(target=lambda: engine.connect().close())
        waiting.start()
        time.sleep(0.3)
        storage.release_connections()
        for connection in used:
            connection.close()
        waiting.join(timeout=10)
        assert not waiting.is_alive()
    until(lambda: storage.rows(OTHERS)[0][0] == 0)


def test_unused_connections_are_closed_while_another_waits_for_room_on_the_server(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are what it may be waiting for (R17)."""
    engine = storage.engine
    storage.release_connections()
    used = engine.connect()
    pid = used.execute(sqlalchemy.text("select pg_backend_pid()")).scalar()
    monkeypatch.setattr(connections, "CONNECTIONS", 0)
    opening = threading.Thread(target=lambda: engine.connect().close())
    opening.start()
    observer = sqlalchemy.create_engine(engine.url)
    try:
        time.sleep(0.3)
        storage.release_connections()
        used.close()
        with observer.connect() as connection:
            there = sqlalchemy.text("select count(*) from pg_stat_activity where pid = :pid")
            until(lambda: connection.execute(there, {"pid": pid}).scalar_one() == 0, seconds=10)
            assert opening.is_alive()
    finally:
        monkeypatch.undo()
        opening.join()
        observer.dispose()


def test_a_dropped_connection_is_replaced(storage: Storage) -> None:
    """R6: without the ping, the next statement fails."""
    storage.now()
    with storage.engine.connect() as connection:
        connection.execute(
            sqlalchemy.text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
        pid = connection.execute(sqlalchemy.text("select pg_backend_pid()")).scalar()
    killer = sqlalchemy.create_engine(storage.engine.url)
    with killer.connect() as connection:
        connection.execute(sqlalchemy.text(f"select pg_terminate_backend({pid})"))
    killer.dispose()
    assert storage.now() > 0


def test_the_clock_is_utc_whatever_the_server_says(storage: Storage) -> None:
    with storage.engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("show timezone")).scalar() == "UTC"
    assert abs(storage.now() - time.time()) < 5


def test_a_database_of_somebody_else_is_refused_and_left_alone(
    database: str, settings: Settings
) -> None:
    engine = sqlalchemy.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table orders (id int)"))
    with pytest.raises(StorageError, match=r"holds other tables \(orders\); give autoencoder-hpo"):
        open_storage(database, settings)
    assert sqlalchemy.inspect(engine).get_table_names() == ["orders"]
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("postgresql://ada:secret@127.0.0.1:1/x", "nothing answers there; is PostgreSQL running?"),
        ("postgresql://ada@no.such.host.invalid/x", "there is no such host"),
        ("mysql://a/b", "mysql is not supported; use postgresql+psycopg2://"),
        ("postgresql+nonsense://a/b", "there is no driver postgresql+nonsense"),
        ("tiny.yaml", "--storage is not a database URL; write postgresql+psycopg2://"),
        ("sqlite:////no/such/folder/x.db", "the file cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_one_line(url: str, line: str, settings: Settings) -> None:
    with pytest.raises(StorageError) as caught:
        open_storage(url, settings)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_database_is_named(server: str, settings: Settings) -> None:
    with pytest.raises(StorageError, match='database "nope" does not exist; create it first'):
        open_storage(server.replace("/postgres?", "/nope?"), settings)


def test_sqlite_serves_one_process(tmp_path: Path, settings: Settings) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/x.db", settings)
    assert not storage.is_server
    assert abs(storage.now() - time.time()) < 5
    with storage.locked("anything"):
        pass
    storage.engine.dispose()


def test_a_file_that_is_no_database(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="not an SQLite database"):
        open_storage(f"sqlite:///{tmp_path}/x.db", settings)


def test_the_password_comes_from_a_file(tmp_path: Path, settings: Settings) -> None:
    missing = replace(settings, password_file=tmp_path / "none")
    with pytest.raises(StorageError, match="must name a readable file"):
        open_storage("postgresql://ada@127.0.0.1:1/x", missing)


def test_a_wrong_password_is_one_line_without_it(tmp_path: Path, settings: Settings) -> None:
    url = start_embedded(tmp_path / "pg")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("alter user postgres password 'right'"))
        hba = Path(connection.execute(sqlalchemy.text("show hba_file")).scalar_one())
        hba.write_text("local all all scram-sha-256\n")
        connection.execute(sqlalchemy.text("select pg_reload_conf()"))
    engine.dispose()
    refused, end = "", time.monotonic() + 10
    while time.monotonic() < end:  # the server reads its file a moment later
        try:
            open_storage(url, settings).engine.dispose()
        except StorageError as error:
            refused = str(error)
            break
    assert "AUTOENCODER_HPO_STORAGE_PASSWORD_FILE" in refused
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    with pytest.raises(StorageError, match="wrong user or password") as caught:
        open_storage(url, replace(settings, password_file=secret))
    assert "wrong@" not in str(caught.value)
    secret.write_text("right\n")
    opened = open_storage(url, replace(settings, password_file=secret))
    assert "right" not in opened.shown
    opened.engine.dispose()


# ---- transactions ----------------------------------------------------------------------


def test_a_transaction_lets_one_in_at_a_time(
    storage: Storage, database: str, settings: Settings
) -> None:
    """Eight threads with a storage each add one to a number ten times, by reading and writing."""
    study = optuna.create_study(storage=storage.optuna)._study_id
    storage.write_attrs("study_user", study, {"number": 0})

    def add() -> None:
        own = open_storage(database, settings)
        for _ in range(10):
            with own.transaction("number") as tx:
                number = tx.optuna.get_study_user_attrs(study)["number"]
                tx.optuna.set_study_user_attr(study, "number", number + 1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert storage.optuna.get_study_user_attrs(study) == {"number": 80}


def test_a_transaction_that_is_cut_off_has_done_nothing_and_holds_nobody_up(
    storage: Storage,
) -> None:
    study = optuna.create_study(storage=storage.optuna)._study_id

    def half() -> None:
        with storage.transaction("x") as tx:
            tx.optuna.set_study_user_attr(study, "half", True)
            pid = tx.rows("select pg_backend_pid()")[0][0]
            storage.rows("select pg_terminate_backend(:pid)", pid=pid)
            tx.write_attrs("study_user", study, {"other half": True})

    with pytest.raises(Exception, match=r"terminat|closed") as error:
        half()
    assert is_outage(error.value)
    assert storage.optuna.get_study_user_attrs(study) == {}
    with storage.transaction("x"):
        pass


def test_the_server_ends_whoever_stands_still_within_a_transaction(storage: Storage) -> None:
    with storage.transaction("x") as tx:
        assert tx.rows("show idle_in_transaction_session_timeout")[0][0] == "20s"


def test_a_storage_that_rests_holds_no_connection(
    database: str, settings: Settings, storage: Storage
) -> None:
    """R17."""
    before = storage.rows(OTHERS)
    own = open_storage(database, settings)
    own.optuna.get_all_studies()
    own.now()
    assert storage.rows(OTHERS) != before
    own.release_connections()
    time.sleep(0.2)
    assert storage.rows(OTHERS) == before


def test_who_finds_no_room_for_a_connection_waits_for_it(
    database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R17."""
    own = open_storage(database, settings)
    monkeypatch.setattr(connections, "CONNECTIONS", 0)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(own.now)
        time.sleep(1.5)
        assert not asked.done()
        monkeypatch.setattr(connections, "CONNECTIONS", 60)
        assert asked.result(30) > 0


def test_who_waits_too_long_for_room_connects_all_the_same(
    database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 0)
    monkeypatch.setattr(connections, "ROOM_S", 0.5)
    assert open_storage(database, settings).now() > 0


@pytest.mark.parametrize("queue", [0, 16])
def test_a_lock_is_waited_for_within_the_database_and_outside(
    queue: int, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "QUEUE", queue)
    monkeypatch.setattr(connections, "QUEUE_S", 0.1)
    got = threading.Event()

    def want() -> None:
        with storage.transaction("x"):
            got.set()

    with storage.transaction("x"):
        thread = threading.Thread(target=want)
        thread.start()
        assert not got.wait(1.0)
    assert got.wait(30)
    thread.join()
