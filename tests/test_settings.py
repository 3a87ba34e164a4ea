"""What the environment says, and directories that must be writable."""

from pathlib import Path

import pytest

from autoencoder_hpo.errors import DiskError, StorageError
from autoencoder_hpo.settings import Settings, make_directory, settings


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("HOME", "STORAGE", "STORAGE_PASSWORD_FILE", "DATA"):
        monkeypatch.delenv(f"AUTOENCODER_HPO_{variable}", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    plain = settings()
    assert plain == Settings(tmp_path / "autoencoder-hpo", None, None, None)
    assert plain.postgres.parent == plain.trials.parent == plain.home
    monkeypatch.setenv("AUTOENCODER_HPO_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("AUTOENCODER_HPO_STORAGE", "sqlite:///x.db")
    monkeypatch.setenv("AUTOENCODER_HPO_DATA", "relative")
    told = settings()
    assert told.home == tmp_path / "mine"
    assert told.storage == "sqlite:///x.db"
    assert told.data == Path.cwd() / "relative"


def test_the_password_is_the_files_content(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    assert Settings(tmp_path, None, secret, None).password() == "hunter2"
    assert Settings(tmp_path, None, None, None).password() is None
    with pytest.raises(StorageError, match="must name a readable file"):
        Settings(tmp_path, None, tmp_path / "none", None).password()


def test_a_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    assert list(make_directory(tmp_path / "a" / "b").iterdir()) == []


def test_what_cannot_be_written_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="set AUTOENCODER_HPO_HOME to another folder") as caught:
        make_directory(tmp_path / "file" / "home")
    assert "\n" not in str(caught.value)
