"""The only way in: hosts, origins, logins and roles are checked here, and headers set.

Everything is refused but what is known to be harmless, so that a route that a later
optuna-dashboard adds is closed until somebody has looked at it.
"""

import io
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from autoencoder_hpo.dashboard.access import SESSION_S, Passwords, Role, Sessions
from autoencoder_hpo.dashboard.pages import login_page, said
from autoencoder_hpo.storage.outages import is_outage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

COOKIE = "autoencoder_hpo_session"
DELAY_S = 1.0  # before a wrong password is answered
MOST_DELAYED = 2  # of the server's threads: further guesses are turned away at once
READING = ("GET", "HEAD")
AWAY = "the database does not answer; reload the page when it does"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

ADMIN_MAY = (  # method, path; the rest of what optuna-dashboard offers would forge results
    ("PUT", r"/api/studies/\d+/note"),
    ("PUT", r"/api/studies/\d+/\d+/note"),
    ("POST", r"/api/studies/\d+/rename"),
    ("DELETE", r"/api/studies/\d+"),
    ("POST", r"/api/artifacts/\d+"),
    ("POST", r"/api/artifacts/\d+/\d+"),
    ("DELETE", r"/api/artifacts/\d+/[0-9a-fA-F-]+"),
    ("DELETE", r"/api/artifacts/\d+/\d+/[0-9a-fA-F-]+"),
)
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Types that a browser may show; everything else that was stored is downloaded."""

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; style-src 'self' data: 'unsafe-inline'; "
    "script-src 'self' 'unsafe-eval'"  # the plots of optuna-dashboard need eval
)
ARTIFACT_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Gate:
    """A WSGI application in front of another.

    Args:
        inner: reached with a role only.
        healthy: whether the database answers; asked by /healthz.
        hosts: names that this server answers to, without port.
    """

    inner: "WSGIApplication"
    passwords: Passwords
    sessions: Sessions
    healthy: Callable[[], bool]
    hosts: Collection[str] = LOOPBACK
    delayed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MOST_DELAYED))
    sleep: Callable[[float], None] = time.sleep

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        # Without it, static files of optuna-dashboard 0.21 are errors.
        environ.setdefault("HTTP_ACCEPT_ENCODING", "")
        request = Request(environ)
        response = self._answer(request)
        _protect(request, response.headers)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if not self._is_ours(request.host):
            return said(403, "this server does not answer to that host name")
        if _is_foreign(request):
            return said(403, "requests from other sites are refused")
        if request.path == "/healthz":
            return self._health(request)
        if request.path == "/login":
            return self._login(request)
        if request.path == "/logout":
            return _logout()
        role = self._role(request)
        if isinstance(role, Response):
            return role
        refusal = _refusal(role, request)
        return refusal or self._inside(request)

    def _inside(self, request: Request) -> Response:
        """What the dashboard says; while the database is away, just that."""
        errors = io.StringIO()  # whole tracebacks, of which the log gets a line
        environ = {**request.environ, "wsgi.errors": errors}
        try:
            response = Response.from_app(self.inner, environ)
        except Exception as error:
            if not is_outage(error):
                raise
            return said(503, AWAY)
        if response.status_code == 500 and not self.healthy():
            return said(503, AWAY)
        for line in errors.getvalue().strip().splitlines()[-1:]:
            log.error("%s %s: %s", request.method, request.path, line)
        return response

    def _is_ours(self, host: str) -> bool:
        """A page of another name that was made to point here must not reach us."""
        try:
            return urlsplit(f"//{host}").hostname in self.hosts
        except ValueError:  # such as half an IPv6 address
            return False

    def _health(self, request: Request) -> Response:
        if request.method not in READING:
            return said(405, "GET only")
        return said(200, "ok") if self.healthy() else said(503, "not ready")

    def _role(self, request: Request) -> Role | Response:
        """The role of a session's cookie, or of a password sent along; or why there is none."""
        role = self.sessions.role_of(request.cookies.get(COOKIE, ""))
        if role:
            return role
        if request.authorization and request.authorization.type == "basic":
            return self._check(request, request.authorization.password or "")
        return _login_wanted(request, 401, "")

    def _check(self, request: Request, password: str) -> Role | Response:
        role = self.passwords.role_of(password)
        if role:
            return role
        if not self.delayed.acquire(blocking=False):
            return _login_wanted(request, 429, "Too many wrong passwords; wait a moment.")
        try:
            self.sleep(DELAY_S)
        finally:
            self.delayed.release()
        log.warning("wrong password from %s", request.remote_addr)
        return _login_wanted(request, 401, "Wrong password.")

    def _login(self, request: Request) -> Response:
        if request.method in READING:
            return login_page(200, "")
        if request.method != "POST":
            return said(405, "GET or POST only")
        role = self._check(request, request.form.get("password", ""))
        if isinstance(role, Response):
            return role
        log.info("login as %s from %s", role, request.remote_addr)
        response = _redirect("/dashboard")
        response.set_cookie(
            COOKIE,
            self.sessions.open(role),
            max_age=SESSION_S,
            httponly=True,
            secure=request.is_secure,
            samesite="Strict",
        )
        return response


def _refusal(role: Role, request: Request) -> Response | None:
    if request.method in READING:
        return None
    if role is not Role.ADMIN:
        return said(403, "you may look, not change: log in as admin")
    wanted = (request.method, request.path.rstrip("/"))
    if not any(wanted[0] == method and re.fullmatch(p, wanted[1]) for method, p in ADMIN_MAY):
        return said(403, "not from here: the command line creates studies, workers tell trials")
    log.info("%s %s by admin from %s", *wanted, request.remote_addr)
    return None


def _is_foreign(request: Request) -> bool:
    """Whether another site's page sent this (the browser says so)."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        return True
    site = request.headers.get("Sec-Fetch-Site", "none")
    link = request.method in READING and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return site not in ("same-origin", "none") and not link


def _login_wanted(request: Request, status: int, message: str) -> Response:
    """A page for people, a line for programs. No `Basic` challenge: browsers would ask twice."""
    if "text/html" in request.headers.get("Accept", ""):
        response = login_page(status, message)
    else:
        response = said(status, message or "log in first")
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Form realm="autoencoder-hpo"'
    return response


def _logout() -> Response:
    response = _redirect("/login")
    response.delete_cookie(COOKIE)
    return response


def _redirect(path: str) -> Response:
    return Response("", 303, {"Location": path})


def _protect(request: Request, headers: Headers) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["X-Frame-Options"] = "DENY"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Content-Security-Policy"] = PAGE_POLICY
    headers.remove("Access-Control-Allow-Origin")
    if request.path.startswith(("/artifacts/", "/pictures/")):
        _disarm(headers)
    if not request.path.startswith("/static/"):
        headers["Cache-Control"] = "no-store"


def _disarm(headers: Headers) -> None:
    """What was stored is data: it never runs as a page of this server."""
    headers["Content-Security-Policy"] = ARTIFACT_POLICY
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in PICTURES:
        headers["Content-Type"] = kind
        headers["Content-Disposition"] = "inline"
    elif kind != "application/json":
        headers["Content-Type"] = "application/octet-stream"
        headers["Content-Disposition"] = "attachment"
