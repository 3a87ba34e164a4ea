"""Every look at the test images is in the study, once, before anybody sees its score."""

import pytest
from support import Create

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.finalize.access import look_line, looks_of, record_look
from autoencoder_hpo.finalize.results import Look
from autoencoder_hpo.storage.study import StudyHandle, open_study


def record(opened: StudyHandle, id: str, *, again: bool = False) -> tuple[Look, ...]:
    return record_look(opened, id=id, key="k", trial=3, psnr=24.5, images=60, again=again)


def test_a_look_is_told_once_however_often(create: Create) -> None:
    opened = create()
    assert looks_of(opened) == ()
    (first,) = record(opened, "a")
    assert record(opened, "a") == (first,)
    stored = open_study(opened.storage, "tiny")
    assert looks_of(stored) == (first,)
    assert first.at == pytest.approx(opened.storage.now(), abs=60)
    assert "@" in first.who
    assert look_line(first).endswith("trial 3, 24.50 dB")


def test_the_second_look_is_refused_where_it_is_recorded(create: Create) -> None:
    """Two machines may train for hours before either of them looks."""
    opened = create()
    record(opened, "a")
    with pytest.raises(StudyError, match=r"looked at already.*trial 3, 24.50 dB.*--again"):
        record(opened, "b")
    assert [look.id for look in looks_of(opened)] == ["a"]
    assert [look.id for look in record(opened, "b", again=True)] == ["a", "b"]
