"""Nobody reads without a password, viewers change nothing, other sites reach nothing."""

import io
import json
import re
import threading

import optuna
import optuna_dashboard
import pytest
from dashboard.conftest import ADMIN, VIEWER, Browser
from optuna.trial import TrialState

from autoencoder_hpo.dashboard.access import Role
from autoencoder_hpo.dashboard.gate import ADMIN_MAY, COOKIE
from autoencoder_hpo.showcase.store import open_store
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.worker.context import WorkerContext

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "x")
OURS = ["/pictures/00000000-0000-0000-0000-000000000000.png", "/", "/anything", "//api/studies"]


def routes() -> list[str]:
    """Every route of the installed optuna-dashboard, with values in it."""
    app = optuna_dashboard.wsgi(optuna.storages.InMemoryStorage())
    rules = sorted({route.rule for route in app.routes})
    assert len(rules) > 25, rules
    filled = [re.sub(r"<filename:path>", "bundle.js", rule) for rule in rules]
    filled = [
        re.sub(r"<(\w+:re:\(/\.\*\)\?|:re:\(/\.\*\)\?)>", "/studies/1", rule) for rule in filled
    ]
    filled = [re.sub(r"<artifact_id:re:[^>]*>", "0a-1", rule) for rule in filled]
    filled = [re.sub(r"<\w+:int>", "1", rule) for rule in filled]
    return [re.sub(r"<\w+>", "slice", rule) for rule in filled]


def dump(storage: Storage) -> str:
    """Everything in the database that a request could change."""
    studies = storage.optuna.get_all_studies()
    return json.dumps(
        [
            [study.study_name, study.user_attrs, study.system_attrs]
            + [
                [t.number, t.state.name, t.values, t.user_attrs, t.system_attrs]
                for t in storage.optuna.get_all_trials(study._study_id)
            ]
            for study in studies
        ]
    )


BODY = {
    "study_name": "other", "directions": ["minimize"], "version": 99, "body": "x", "state": "Fail",
    "values": [1], "user_attrs": {"a": 1}, "file": "data:text/html;base64,AA==", "filename": "a.html",
    "mode": "ChooseWorst", "candidates": [0], "clicked": 0, "output_type": "note",
}  # fmt: skip


def test_the_list_of_routes_is_whole() -> None:
    found = routes()
    assert all("<" not in path for path in found), found
    for path in ("/api/studies/1", "/csv/1", "/artifacts/1/1/0a-1", "/dashboard/studies/1"):
        assert path in found


def test_without_a_password_every_route_is_closed(
    browser: Browser, trained: StudyHandle, storage: Storage
) -> None:
    before = dump(storage)
    for path in [*routes(), *OURS]:
        for method in METHODS:
            answer = browser(method, path, json=BODY)
            assert answer.status_code == 401, (method, path, answer.status)
            assert trained.name not in answer.text
            assert "set-cookie" not in answer.headers
    assert dump(storage) == before


def test_a_viewer_changes_nothing_on_any_route(
    browser: Browser, trained: StudyHandle, storage: Storage
) -> None:
    before = dump(storage)
    for path in routes():
        for method in METHODS:
            if method not in ("GET", "HEAD"):
                answer = browser(method, path, VIEWER, json=BODY)
                assert answer.status_code == 403, (method, path)
            elif "plot" not in path and "bundle" not in path:
                browser(method, path, VIEWER)
    assert dump(storage) == before


def test_an_admin_changes_notes_and_no_result(
    browser: Browser, trained: StudyHandle, storage: Storage
) -> None:
    trial = trained.trials()[0]
    study = trained.optuna._study_id
    for method, path in [
        ("POST", f"/api/trials/{trial._trial_id}/tell"),
        ("POST", f"/api/trials/{trial._trial_id}/user-attrs"),
        ("POST", "/api/studies"),
        ("POST", "/incompatible-rdb-schema"),
        ("POST", f"/api/studies/{study}/preference"),
        ("PATCH", f"/api/studies/{study}"),
    ]:
        assert browser(method, path, ADMIN, json=BODY).status_code == 403, path
    note = {"version": 1, "body": "seen"}
    assert browser("PUT", f"/api/studies/{study}/note", ADMIN, json=note).status_code == 204
    assert optuna_dashboard.get_note(trained.optuna) == "seen"
    assert trained.trials()[0].value == trial.value


def test_what_admins_may_are_routes_that_exist() -> None:
    app = optuna_dashboard.wsgi(optuna.storages.InMemoryStorage())
    real = {(route.method, re.sub(r"<[^>]*>", "1", route.rule)) for route in app.routes}
    for method, pattern in ADMIN_MAY:
        assert any(m == method and re.fullmatch(pattern, path) for m, path in real), pattern


# ---- logging in ------------------------------------------------------------------------


def test_a_browser_logs_in_once(browser: Browser, trained: StudyHandle) -> None:
    page = browser("GET", "/", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert 'type="password"' in page.text
    wrong = browser("POST", "/login", data={"password": "guess"}, headers={"Accept": "text/html"})
    assert wrong.status_code == 401
    assert "Wrong password." in wrong.text
    right = browser("POST", "/login", data={"password": ADMIN})
    assert (right.status_code, right.location) == (303, "/dashboard")
    cookie = right.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    session = cookie.split(";")[0]
    assert browser("GET", "/api/studies", headers={"Cookie": session}).status_code == 200
    assert trained.name in browser("GET", "/api/studies", headers={"Cookie": session}).text
    out = browser("GET", "/logout", headers={"Cookie": session})
    assert f"{COOKIE}=;" in out.headers["Set-Cookie"]


def test_a_forged_cookie_is_no_session(browser: Browser) -> None:
    good = browser.gate.sessions.open(Role.VIEWER)
    for forged in (good[:-2], good.replace(good[:4], "YWRt"), "admin", ""):
        answer = browser("GET", "/api/studies", headers={"Cookie": f"{COOKIE}={forged}"})
        assert answer.status_code == 401
    viewer = {"Cookie": f"{COOKIE}={good}"}
    assert browser("GET", "/api/studies", headers=viewer).status_code == 200
    assert browser("DELETE", "/api/studies/1", headers=viewer).status_code == 403


def test_a_wrong_password_waits(browser: Browser, slept: list[float]) -> None:
    assert browser("GET", "/api/studies", "guess").status_code == 401
    assert slept == [1.0]
    assert browser("GET", "/api/studies", VIEWER).status_code == 200
    assert slept == [1.0]


def test_many_guesses_do_not_keep_the_server_from_others(browser: Browser) -> None:
    waiting, go = threading.Semaphore(0), threading.Event()

    def wait(seconds: float) -> None:
        waiting.release()
        go.wait(10)

    object.__setattr__(browser.gate, "sleep", wait)
    threads = [threading.Thread(target=browser, args=("GET", "/", "guess")) for _ in range(2)]
    for thread in threads:
        thread.start()
        waiting.acquire(timeout=10)
    assert browser("GET", "/", "guess").status_code == 429
    assert browser("GET", "/api/studies", VIEWER).status_code == 200
    go.set()
    for thread in threads:
        thread.join()


def test_health_reveals_nothing(browser: Browser, trained: StudyHandle, storage: Storage) -> None:
    answer = browser("GET", "/healthz")
    assert (answer.status_code, answer.json) == (200, {"reason": "ok"})
    assert browser("POST", "/healthz").status_code == 405
    object.__setattr__(browser.gate, "healthy", lambda: False)
    answer = browser("GET", "/healthz")
    assert (answer.status_code, answer.json) == (503, {"reason": "not ready"})


# ---- other sites -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8080", "[::1", "", "0.0.0.0"]
)
def test_other_host_names_are_refused(browser: Browser, host: str) -> None:
    """A name that its owner points at 127.0.0.1 would make this server part of his site."""
    assert browser("GET", "/api/studies", VIEWER, host=host).status_code == 403
    assert browser("GET", "/healthz", host=host).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
def test_our_names_are_answered(browser: Browser, host: str) -> None:
    assert browser("GET", "/api/studies", VIEWER, host=host).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_other_origins_are_refused(browser: Browser, headers: dict[str, str]) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert browser(method, "/api/studies/1", ADMIN, headers=headers).status_code == 403
    posted = browser("POST", "/login", data={"password": ADMIN}, headers=headers)
    assert posted.status_code == 403


def test_our_own_page_and_a_link_are_not_foreign(browser: Browser) -> None:
    own = {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}
    assert browser("GET", "/api/studies", VIEWER, headers=own).status_code == 200
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert browser("GET", "/dashboard", VIEWER, headers=link).status_code == 200


# ---- artifacts -------------------------------------------------------------------------


@pytest.fixture
def stored(trained: StudyHandle, context: WorkerContext) -> dict[str, str]:
    """Paths of artifacts of many types."""
    store, paths = open_store(context.settings), {}
    study = trained.optuna._study_id
    kinds = ("text/html", "image/svg+xml", "image/png", "text/javascript", "application/xml", "x")
    for number, kind in enumerate(kinds):
        name = f"00000000-0000-0000-0000-00000000000{number}"
        store.write(name, io.BytesIO(b"<script>alert(1)</script>"))
        meta = {"artifact_id": name, "filename": "a.html", "mimetype": kind, "encoding": None}
        trained.storage.optuna.set_study_system_attr(study, f"artifacts:{name}", json.dumps(meta))
        paths[kind] = f"/artifacts/{study}/{name}"
    return paths


def test_a_stored_file_never_runs_as_a_page(browser: Browser, stored: dict[str, str]) -> None:
    for kind, path in stored.items():
        answer = browser("GET", path, VIEWER)
        assert answer.status_code == 200
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers
        if kind == "image/png":
            assert (headers["Content-Type"], headers["Content-Disposition"]) == (kind, "inline")
        else:
            assert headers["Content-Type"] == "application/octet-stream"
            assert headers["Content-Disposition"] == "attachment"


def test_a_missing_file_is_not_found(
    browser: Browser, stored: dict[str, str], context: WorkerContext
) -> None:
    open_store(context.settings).remove(stored["text/html"].rsplit("/", 1)[1])
    assert browser("GET", stored["text/html"], VIEWER).status_code == 404
    missing = "/pictures/99999999-0000-0000-0000-000000000000.png"
    assert browser("GET", missing, VIEWER).status_code == 404


def test_pages_are_served_with_their_guards(browser: Browser, trained: StudyHandle) -> None:
    page = browser("GET", "/dashboard/studies/1", VIEWER)
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    for path in ("/static/bundle.js", "/favicon.ico"):  # also without Accept-Encoding
        assert browser("GET", path, VIEWER).status_code == 200
    assert trained.trials()[0].state is TrialState.COMPLETE
