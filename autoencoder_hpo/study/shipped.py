"""The studies that come with the program, by their names."""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.settings import packaged
from autoencoder_hpo.study.file import StudyFile, load_study, parse_study
from autoencoder_hpo.study.yamlfile import read_text

LITERATURE = "literature-"


def find_study(given: Path) -> StudyFile:
    """The study of a file, else the shipped one of this name.

    Raises:
        StudyError: there is neither; names the shipped ones. Or the file is wrong.
    """
    known = shipped()
    path = None if given.is_file() else known.get(_name(given))
    if path is not None:
        return _load_shipped(path)
    named = _name(Path(given.stem))
    if given.suffix and named in known and not given.exists():
        raise StudyError(given, [f"there is no such file; {named} alone names the shipped study"])
    if given.suffix or given.exists():
        return load_study(given)
    close = difflib.get_close_matches(_name(given), known, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    problem = (
        f"there is no such file and no shipped study of this name{hint}; these are shipped: "
        f"{_said(known)}; `autoencoder-hpo resume {given}` goes on with a stored study"
    )
    raise StudyError(given, [problem])


def _said(known: Iterable[str]) -> str:
    """Those of a folder are named once, by what they have in common."""
    own = [name for name in known if not name.startswith(LITERATURE)]
    return f"{', '.join(own)} and {LITERATURE}…"


def shipped() -> dict[str, Path]:
    """The file of every shipped study, by the study's name."""
    folder = packaged("studies")
    top, below = sorted(folder.glob("*.yaml")), sorted(folder.glob("*/*.yaml"))
    return {_name(path.relative_to(folder).with_suffix("")): path for path in [*top, *below]}


def _name(path: Path) -> str:
    """A study is named as its file: literature/noise_masking is literature-noise-masking."""
    return path.as_posix().replace("/", "-").replace("_", "-")


def _load_shipped(path: Path) -> StudyFile:
    """Its own images are looked for in the current folder, not among the program's files."""
    file = parse_study(read_text(path), where=str(path), base=str(Path.cwd()))
    return replace(file, shipped=True)
