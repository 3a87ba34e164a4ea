"""The files of before: where they are, and how they are read."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy

FILES = Path(__file__).parent / "files"
CURVES = FILES / "curves.json"
DATABASE = FILES / "database.sql.gz"
HOME = FILES / "home.tar.gz"
SAID = FILES / "said.json.gz"
EXPORT = FILES / "searched.json.gz"

RESUMED = ("searched", "folded")
"""Studies in which a trial waits that was trained half-way."""
SECONDS_BEFORE = 1000.0
"""What the checkpoints say of how long their trials were trained; it was much less."""
ALONE = ("--device", "cpu", "--threads", "1")
FINALIZE = ("--top", "1", "--seeds", "1", "--workers", "1", "--slow-images", "10", *ALONE)


def bundle(kind: str) -> Path:
    return FILES / f"{kind}.denoiser"


def load_database(url: str) -> None:
    """Put the stored database into this empty one."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        cursor = connection.connection.cursor()  # SQLAlchemy would look for parameters
        cursor.execute(gzip.decompress(DATABASE.read_bytes()).decode())
    engine.dispose()


def unpack_home(home: Path) -> None:
    """The checkpoints, where a worker looks for them."""
    with tarfile.open(fileobj=io.BytesIO(HOME.read_bytes())) as archive:
        archive.extractall(home, filter="data")


def read(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def said(call: Callable[..., str], names: Sequence[str]) -> dict[str, Any]:
    """What the commands print and write of these studies, by study and command."""
    return {
        name: {
            "report": json.loads(call("report", name, "--format", "json", "--out", "-")),
            "diagnose": json.loads(call("diagnose", name, "--json")),
            "export": exported(call, name),
        }
        for name in names
    }


def exported(call: Callable[..., str], name: str) -> Any:
    """The content of a study's export."""
    file = Path(f"{name}.json.gz")
    call("export", name, str(file))
    return read(file)
