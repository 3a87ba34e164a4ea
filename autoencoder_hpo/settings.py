"""What this process is told by its surroundings: directories, the database, secrets.

| variable | meaning |
|---|---|
| AUTOENCODER_HPO_HOME | where the embedded database, downloads, checkpoints and pictures live |
| AUTOENCODER_HPO_ARTIFACTS | what the dashboard shows: a directory, s3://BUCKET or gs://BUCKET |
| AUTOENCODER_HPO_STORAGE | URL of the study database; left out, the embedded PostgreSQL |
| AUTOENCODER_HPO_STORAGE_PASSWORD_FILE | a file with the database password |
| AUTOENCODER_HPO_DATA | where relative data paths are looked up on this machine |
| AUTOENCODER_HPO_GRACE | seconds of silence after which a trial has lost its worker (60) |
"""

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autoencoder_hpo.errors import DiskError, SettingError, StorageError

GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    home: Path
    storage: str | None = None
    password_file: Path | None = None
    data: Path | None = None
    artifacts: str | None = None
    """The artifact store; left out, a directory in `home`."""
    grace: float = GRACE_S

    @property
    def postgres(self) -> Path:
        return self.home / "postgres"

    @property
    def datasets(self) -> Path:
        return self.home / "datasets"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def trials(self) -> Path:
        """Checkpoints and pictures, a folder a study."""
        return self.home / "trials"

    def password(self) -> str | None:
        """The database password, when a file holds it.

        Raises:
            StorageError: the file cannot be read.
        """
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text().strip()
        except OSError as error:
            raise StorageError(
                f"{self.password_file}: {error.strerror}; AUTOENCODER_HPO_STORAGE_PASSWORD_FILE "
                "must name a readable file"
            ) from error


def settings() -> Settings:
    """Read the environment, once for each call."""
    return Settings(
        home=_path("AUTOENCODER_HPO_HOME") or _user_data(),
        storage=os.environ.get("AUTOENCODER_HPO_STORAGE") or None,
        password_file=_path("AUTOENCODER_HPO_STORAGE_PASSWORD_FILE"),
        data=_path("AUTOENCODER_HPO_DATA"),
        artifacts=os.environ.get("AUTOENCODER_HPO_ARTIFACTS") or None,
        grace=_seconds("AUTOENCODER_HPO_GRACE", GRACE_S),
    )


def packaged(name: str) -> Path:
    """A file or folder of `studies` or `docs`, such as docs/diagnosis.md.

    They lie in the package when it was installed from a wheel, else beside it in the checkout.
    Returns a path as short as it can be said here: what is below the current folder is relative.
    """
    package = Path(__file__).parent
    inside = package / name
    path = inside if inside.exists() else package.parent / name
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def make_directory(path: Path) -> Path:
    """Create a directory that we must write.

    Raises:
        DiskError: it cannot be created or written; says what to set.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".write-test-") as probe:
            probe.write(b"x" * 4096)  # a full disk still makes empty files
            probe.flush()
    except OSError as error:
        raise DiskError(
            f"{path}: {error.strerror}; make it writable, free some space, or set "
            "AUTOENCODER_HPO_HOME to another folder"
        ) from error
    return path


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable) or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= 86_400:
        raise SettingError(f"{variable} is {text!r}; give seconds, from 1 to 86400, such as 60")
    return seconds


def _user_data() -> Path:
    import platformdirs  # not needed where the variable is set

    return platformdirs.user_data_path("autoencoder-hpo", appauthor=False)
