"""Texts and plots of a study, kept as optuna-dashboard (0.21) reads them."""

import json
from collections.abc import Mapping
from typing import Any

from autoencoder_hpo.storage.study import StudyHandle

PIECE = 50_000  # characters of a text in one attribute


def write_note(opened: StudyHandle, prefix: str, text: str) -> None:
    pieces = _pieces(opened, f"{prefix}note_str:", text)
    before = _stored(opened, f"{prefix}note_ver").get(f"{prefix}note_ver", 0)
    note = {**pieces, f"{prefix}note_ver": before + 1}
    opened.storage.write_attrs("study_system", opened.number, note)


def write_plot(opened: StudyHandle, name: str, figure: Mapping[str, Any]) -> None:
    pieces = _pieces(opened, f"dashboard:plot_data:{name}:", json.dumps(figure))
    opened.storage.write_attrs("study_system", opened.number, pieces)


def _pieces(opened: StudyHandle, prefix: str, text: str) -> dict[str, str]:
    """Text in numbered attributes; those that a longer text has left are emptied."""
    left = dict.fromkeys(_stored(opened, prefix), "")
    starts = range(0, len(text), PIECE)
    return left | {f"{prefix}{n}": text[at : at + PIECE] for n, at in enumerate(starts)}


def _stored(opened: StudyHandle, prefix: str) -> dict[str, Any]:
    """The study's own attributes of Optuna's whose names begin so."""
    found = opened.storage.rows(
        "select key, value_json from study_system_attributes "
        "where study_id = :study and substr(key, 1, :length) = :prefix",
        study=opened.number,
        length=len(prefix),
        prefix=prefix,
    )
    return {key: json.loads(value) for key, value in found}
