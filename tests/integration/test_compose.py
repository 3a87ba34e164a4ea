"""The whole stack in containers, on whatever Docker engine answers; skipped where none does.

It builds the image from this checkout (`COMPOSE_BUILD="--no-cache"` from nothing), in a copy of
its own with secrets of its own, and removes what it has made.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import merged, study_text

ROOT = Path(__file__).parent.parent.parent
SECRETS = ("db_password", "admin_password", "viewer_password")

SLOW: dict[str, Any] = {  # a few seconds a trial
    "task": {"data": {"dataset": "digits", "train": 1400}, "epochs": 12},
    "trial": {
        "batch_size": 16,
        "model": {"kind": "unet", "depth": 1, "channels": {"int": [8, 12]}},
    },
}
ENDLESS = merged(SLOW, {"task": {"epochs": 100_000}})


def engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    for words in (["info"], ["compose", "version"]):
        if subprocess.run(["docker", *words], capture_output=True, check=False).returncode:
            return False
    return True


pytestmark = [
    pytest.mark.compose,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers here"),
]


@dataclass(frozen=True)
class Stack:
    """A project of `docker compose`, in a folder of its own."""

    folder: Path
    project: str
    port: int

    def __call__(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run `docker compose`; returns what it printed, after checking the exit code."""
        done = self.run(*words, **environment)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "compose", "-p", self.project, *words],
            cwd=self.folder,
            env={
                **os.environ,
                "DASHBOARD_PORT": str(self.port),
                "IMAGE": f"{self.project}-image",
                "STUDY": "studies/first.yaml",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )

    def write(self, name: str, **changes: Any) -> str:
        (self.folder / "studies" / f"{name}.yaml").write_text(study_text(name=name, **changes))
        return f"studies/{name}.yaml"

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def cli(self, *words: str) -> str:
        """A command in a container of its own, as the README shows it."""
        return self("run", "--rm", "--no-deps", "-T", "worker", "autoencoder-hpo", *words)

    def status(self, name: str) -> dict[str, Any]:
        done = self.run("exec", "-T", "dashboard", "autoencoder-hpo", "status", name, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # it may warn beside it, on the other stream

    def containers(self, service: str) -> list[str]:
        return self("ps", "-a", "-q", service).split()

    def get(self, path: str, password: str | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if password is not None:
            pair = base64.b64encode(f"x:{self.secret(password)}".encode()).decode()
            request.add_header("Authorization", f"Basic {pair}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:  # nobody listens yet
            return 0, str(error).encode()

    def has(self, name: str) -> bool:
        status, body = self.get("/api/studies", "viewer_password")
        return status == 200 and f'"{name}"' in body.decode()

    def shown(self, name: str) -> dict[str, Any]:
        """The study as the dashboard has it."""
        studies = json.loads(self.get("/api/studies", "viewer_password")[1])["study_summaries"]
        (number,) = (s["study_id"] for s in studies if s["study_name"] == name)
        status, body = self.get(f"/api/studies/{number}", "viewer_password")
        assert status == 200
        return {"study_id": number, **json.loads(body)}


def inspect(container: str, field: str) -> str:
    command = ["docker", "inspect", "-f", f"{{{{{field}}}}}", container]
    return subprocess.check_output(command, text=True).strip()


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    files = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True
    )
    for file in files.split():
        if (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    subprocess.check_call(["sh", "docker/make-secrets.sh"], cwd=folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Stack(folder, f"hpotest{os.getpid()}", port)
    made.write("first", search={"trials": 8}, **SLOW)
    made("build", "worker", *os.environ.get("COMPOSE_BUILD", "").split())
    try:
        yield made
    finally:
        made("down", "--volumes", "--remove-orphans", "--timeout", "30")
        subprocess.run(["docker", "image", "rm", f"{made.project}-image"], check=False)


def test_the_file_is_valid_and_holds_no_secret(stack: Stack) -> None:
    for files in (
        ["-f", "docker-compose.yml"],
        ["-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml"],
    ):
        said = stack(*files, "config")
        assert "warning" not in said.lower()
        services = yaml.safe_load(said)["services"]
        assert set(services) == {"db", "migrate", "study", "worker", "dashboard"}
        assert not any(stack.secret(name) in said for name in SECRETS)
        for name, service in services.items():
            assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", [])), name
        assert "ports" not in services["db"]


def test_the_stack_from_its_build_to_a_second_study(stack: Stack) -> None:
    stack("up", "-d", "--scale", "worker=2")

    # One worker is killed in the middle of the study; another goes on with its trial.
    until(lambda: stack.has("first"), 120)
    until(lambda: stack.status("first")["counts"]["running"] == 2, 120)
    victim = stack.containers("worker")[0]
    before = inspect(victim, ".State.StartedAt")
    kill = "import os; [os.kill(int(p), 9) for p in os.listdir('/proc') if p.isdigit() and int(p) > 1 and int(p) != os.getpid()]"
    subprocess.run(
        ["docker", "exec", victim, "python3", "-c", kill], check=False, capture_output=True
    )
    until(lambda: inspect(victim, ".State.StartedAt") != before, 60)  # Docker has restarted it
    until(lambda: stack.status("first")["state"] == "done", 400)
    counts = stack.status("first")["counts"]
    assert counts == {"complete": 8, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    assert max(trial["number"] for trial in stack.shown("first")["trials"]) == 7

    # The dashboard: closed without a password, open with one, and it shows pictures.
    assert stack.get("/")[0] == 401
    assert stack.get("/api/studies")[0] == 401
    assert stack.get("/healthz")[0] == 200
    study = stack.shown("first")
    for trial in study["trials"]:
        assert {artifact["filename"] for artifact in trial["artifacts"]} == {
            "restored.png",
            "curves.png",
        }
    picture = study["trials"][0]["artifacts"][0]["artifact_id"]
    path = f"/artifacts/{study['study_id']}/{study['trials'][0]['trial_id']}/{picture}"
    assert stack.get(path, "viewer_password")[1].startswith(b"\x89PNG")
    assert stack.get(path)[0] == 401
    assert [artifact["filename"] for artifact in study["artifacts"]] == ["gallery.png"]

    # Down and up again: everything is still there, and nothing is done twice.
    stack("down", "--timeout", "30")
    stack("up", "-d", "--wait", "db", "dashboard")
    stack("up", "-d", "--scale", "worker=2")
    until(lambda: stack.get("/healthz")[0] == 200, 60)
    assert stack.status("first")["counts"] == counts
    assert stack.get(path, "viewer_password")[1].startswith(b"\x89PNG")

    # A second study, by the command line; running workers take it up.
    stack.write("second", search={"trials": 2}, **SLOW)
    assert "created second" in stack.cli("create", "studies/second.yaml")
    until(lambda: stack.status("second")["state"] == "done", 240)
    stack.cli("resume", "second", "--trials", "3", "--workers", "0")
    until(lambda: stack.status("second")["counts"]["complete"] == 3, 240)


def test_a_stop_in_the_middle_of_an_epoch_hands_trials_back(stack: Stack) -> None:
    stack("up", "-d", "--scale", "worker=2")
    until(lambda: stack.get("/healthz")[0] == 200, 60)
    stack.write("endless", search={"trials": 2}, **ENDLESS)
    stack.cli("create", "studies/endless.yaml")
    until(lambda: stack.status("endless")["counts"]["running"] == 2, 120)
    time.sleep(5)
    started = time.monotonic()
    stack("stop", "worker")
    assert time.monotonic() - started < 25  # the grace period is 30 s
    assert [inspect(worker, ".State.ExitCode") for worker in stack.containers("worker")] == [
        "0",
        "0",
    ]
    counts = stack.status("endless")["counts"]
    assert (counts["running"], counts["waiting"]) == (0, 2)
    stack.cli("delete", "endless", "--yes")


def test_a_wrong_study_file_is_said_in_one_line_and_workers_wait(stack: Stack) -> None:
    path = stack.write("wrong", trial={"optimizer": {"kind": "adem"}})
    stack("up", "-d", STUDY=path)
    (study,) = stack.containers("study")
    until(lambda: inspect(study, ".State.Status") == "exited", 60)
    assert inspect(study, ".State.ExitCode") == "1"
    lines = stack("logs", "--no-log-prefix", "study").strip().splitlines()
    assert "error: studies/wrong.yaml:" in lines[-1]
    assert "adem" in lines[-1]
    time.sleep(5)
    for worker in stack.containers("worker"):
        assert inspect(worker, ".State.Status") == "running"
        assert inspect(worker, ".RestartCount") in ("0", "1")  # one was killed by a test above


def test_no_password_is_anywhere_but_in_its_file(stack: Stack) -> None:
    said = stack("logs")
    for service in ("db", "migrate", "study", "worker", "dashboard"):
        for container in stack.containers(service):
            said += subprocess.check_output(["docker", "inspect", container], text=True)
    image = f"{stack.project}-image"
    said += subprocess.check_output(["docker", "history", "--no-trunc", image], text=True)
    said += stack("exec", "-T", "worker", "env")
    for name in SECRETS:
        assert stack.secret(name) not in said


def test_containers_run_with_little(stack: Stack) -> None:
    (worker,) = stack.containers("worker")[:1]
    assert inspect(worker, ".Config.User") == "hpo"
    assert inspect(worker, ".HostConfig.ReadonlyRootfs") == "true"
    assert inspect(worker, ".HostConfig.CapDrop") == "[ALL]"
    assert inspect(worker, ".HostConfig.Init") == "true"
    stack("exec", "-T", "worker", "touch", "/app/x", code=1)
    labels = json.loads(inspect(f"{stack.project}-image", "json .Config.Labels"))
    assert labels["org.opencontainers.image.title"] == "autoencoder-hpo"


def test_a_taken_port_is_said(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        stack("stop", "dashboard")
        said = stack("up", "-d", "dashboard", code=1, DASHBOARD_PORT=port)
    assert "address already in use" in said or "port is already allocated" in said


def test_without_a_gpu_the_override_says_so(stack: Stack) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    files = ["-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml"]
    said = stack(*files, "up", "-d", "worker", code=1)
    assert 'could not select device driver "nvidia"' in said
    stack("up", "-d", "worker")


def test_two_ups_at_once_leave_one_stack(stack: Stack) -> None:
    stack("down", "--timeout", "30")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: stack.run("up", "-d"), range(2)))
    # The slower one may be told that a name is taken.
    assert 0 in [up.returncode for up in both], [up.stderr for up in both]
    stack("up", "-d")
    until(lambda: stack.get("/healthz")[0] == 200, 60)
    assert stack.status("first")["counts"]["complete"] == 8
    assert [len(stack.containers(name)) for name in ("db", "worker", "dashboard")] == [1, 1, 1]
