"""Who may do what: passwords, the roles they give, and sessions that remember a login.

| variable | meaning |
|---|---|
| AUTOENCODER_HPO_DASHBOARD_PASSWORD(_FILE) | the admin's password, or a file that holds it |
| AUTOENCODER_HPO_DASHBOARD_VIEWER_PASSWORD(_FILE) | a password to look only |
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from autoencoder_hpo.errors import AccessError

VARIABLE = "AUTOENCODER_HPO_DASHBOARD_PASSWORD"
VIEWER_VARIABLE = "AUTOENCODER_HPO_DASHBOARD_VIEWER_PASSWORD"
SESSION_S = 7 * 24 * 3600
"""How long a browser stays logged in."""


class Role(StrEnum):
    VIEWER = "viewer"
    """looks"""
    ADMIN = "admin"
    """also writes notes, renames and deletes"""


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    admin: str
    viewer: str | None = None

    def role_of(self, given: str) -> Role | None:
        """Compares in constant time, both every time."""
        admin = _same(given, self.admin)
        viewer = _same(given, self.viewer or self.admin)
        if admin:
            return Role.ADMIN
        return Role.VIEWER if viewer else None


def find_passwords(environment: Mapping[str, str]) -> Passwords | None:
    """The passwords that the environment, or files named there, give; None when there are none.

    Raises:
        AccessError: one is empty, a file cannot be read, or both are the same.
    """
    admin, viewer = (_find(environment, name) for name in (VARIABLE, VIEWER_VARIABLE))
    if admin is None:
        if viewer is not None:
            raise AccessError(f"{VIEWER_VARIABLE} is set, but not {VARIABLE}; set both")
        return None
    if viewer == admin:
        raise AccessError("viewer and admin have the same password; give them different ones")
    return Passwords(admin, viewer)


def generate_password() -> str:
    return secrets.token_urlsafe(12)


def _find(environment: Mapping[str, str], variable: str) -> str | None:
    file = environment.get(f"{variable}_FILE")
    if file:
        try:
            password = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise AccessError(f"{file}: {reason}; {variable}_FILE must name a password file") from (
                error
            )
        where = file
    elif variable in environment:
        password, where = environment[variable].strip(), variable
    else:
        return None
    if not password:
        raise AccessError(f"{where}: the password is empty; write one into it")
    return password


def _same(one: str, other: str) -> bool:
    """In a time that tells neither content nor length."""
    digests = (hashlib.sha256(text.encode()).digest() for text in (one, other))
    return hmac.compare_digest(*digests)


class Sessions:
    """Signed cookies; a change of a password ends the sessions that it had opened."""

    def __init__(self, passwords: Passwords) -> None:
        # Slow on purpose: a stolen cookie is no shortcut to the password.
        salt = hashlib.sha256(f"autoencoder-hpo {passwords.viewer}".encode()).digest()
        key = hashlib.scrypt(passwords.admin.encode(), salt=salt, n=2**14, r=8, p=1)
        self._serializer = URLSafeTimedSerializer(key, salt="session")

    def open(self, role: Role) -> str:
        return self._serializer.dumps(role.value)

    def role_of(self, cookie: str) -> Role | None:
        try:
            return Role(self._serializer.loads(cookie, max_age=SESSION_S))
        except (BadSignature, ValueError):
            return None
