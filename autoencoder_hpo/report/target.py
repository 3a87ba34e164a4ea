"""Where a report goes: its format, its file, and what is not overwritten."""

from pathlib import Path
from typing import get_args

from autoencoder_hpo.errors import DiskError
from autoencoder_hpo.files import write_atomically
from autoencoder_hpo.report import Format, markdown, page
from autoencoder_hpo.report.values import COLUMNS, FORMAT

FORMATS: tuple[Format, ...] = get_args(Format)
MARKS: dict[Format, str] = {
    "html": page.MARK,
    "md": markdown.MARK,
    "json": f'"format": "{FORMAT}"',
    "csv": ",".join(COLUMNS),
}
BEGINNING = 4_000
"""Bytes of a file in which a report says that it is one."""
STDOUT = Path("-")


def choose(names: list[str], form: Format | None, out: Path | None) -> tuple[Format, Path]:
    """The format and the file; each follows from the other where only one is given.

    Raises:
        DiskError: the file's ending is of another format, or is none.
    """
    if out is None:
        form = form or "html"
        stem = names[0] if len(names) == 1 else "comparison"
        return form, Path(f"{stem}.report.{form}")
    if out == STDOUT:
        return form or "html", out
    ending = out.suffix.removeprefix(".").lower()
    if ending not in FORMATS or (form is not None and form != ending):
        wanted = f".{form}" if form else "one of ." + ", .".join(FORMATS)
        raise DiskError(f"{out}: a report's name ends with {wanted}")
    return ending, out


def refuse(path: Path, form: Format) -> None:
    """Refuse what is there, unless it is an older report.

    Raises:
        DiskError: a folder, or a file that is no report, has the name.
    """
    if path == STDOUT or not path.exists():
        return
    if path.is_dir():
        raise DiskError(f"{path}: is a folder; name a file, such as {path / f'report.{form}'}")
    if not path.is_file():
        raise DiskError(f"{path}: is no file; choose another --out")
    with path.open("rb") as file:
        beginning = file.read(BEGINNING).decode("utf-8", "replace")
    if beginning and MARKS[form] not in beginning:
        raise DiskError(f"{path}: is there already and is no report; choose another --out")


def write(path: Path, text: str) -> int:
    """Write all of it or nothing; returns the bytes.

    Raises:
        DiskError: the folder is missing or full, or must not be written.
    """
    encoded = text.encode()
    try:
        with write_atomically(path) as file:
            file.write(encoded)
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}; choose another --out") from error
    return len(encoded)
