"""Passwords and where they come from."""

from pathlib import Path

import pytest

from autoencoder_hpo.dashboard.access import (
    VARIABLE,
    VIEWER_VARIABLE,
    Passwords,
    Role,
    Sessions,
    find_passwords,
    generate_password,
)
from autoencoder_hpo.errors import AccessError


def test_each_password_has_its_role() -> None:
    both, one = Passwords("a", "v"), Passwords("a")
    assert [both.role_of(given) for given in ("a", "v", "", "av")] == [
        Role.ADMIN,
        Role.VIEWER,
        None,
        None,
    ]
    assert [one.role_of(given) for given in ("a", "v", "", "None")] == [
        Role.ADMIN,
        None,
        None,
        None,
    ]
    assert "admins" not in repr(Passwords("admins", "viewers"))


def test_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from-a-file\n")
    assert find_passwords({}) is None
    found = find_passwords({f"{VARIABLE}_FILE": str(file), VIEWER_VARIABLE: " look "})
    assert found == Passwords("from-a-file", "look")


def test_what_cannot_protect_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for environment, said in [
        ({VARIABLE: ""}, "the password is empty"),
        ({f"{VARIABLE}_FILE": str(tmp_path / "empty")}, "empty: the password is empty"),
        ({f"{VARIABLE}_FILE": str(tmp_path / "none")}, "No such file"),
        ({f"{VARIABLE}_FILE": str(tmp_path / "binary")}, "not a text file"),
        ({VIEWER_VARIABLE: "v"}, "set both"),
        ({VARIABLE: "same", VIEWER_VARIABLE: "same"}, "the same password"),
    ]:
        with pytest.raises(AccessError, match=said):
            find_passwords(environment)


def test_sessions_end_with_their_passwords() -> None:
    sessions = Sessions(Passwords("a", "v"))
    cookie = sessions.open(Role.VIEWER)
    assert sessions.role_of(cookie) is Role.VIEWER
    assert Sessions(Passwords("a", "v")).role_of(cookie) is Role.VIEWER  # a restart
    for other in (Passwords("b", "v"), Passwords("a", "w"), Passwords("a")):
        assert Sessions(other).role_of(cookie) is None


def test_a_session_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(Passwords("a"))
    cookie = sessions.open(Role.ADMIN)
    monkeypatch.setattr("autoencoder_hpo.dashboard.access.SESSION_S", -1)
    assert sessions.role_of(cookie) is None


def test_generated_passwords_are_long_and_new() -> None:
    assert len({generate_password() for _ in range(100)}) == 100
    assert min(len(generate_password()) for _ in range(100)) >= 16
