"""Studies small enough to run in seconds, and the command line in processes of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
import yaml
from nursery import Born

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.inputs import Inputs, load_inputs
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.space import FixedSuggester, fill
from autoencoder_hpo.storage.claiming import Claimed
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.study import StudyFile, parse_study
from autoencoder_hpo.training.prepared import DeviceData

Create = Callable[..., StudyHandle]

TINY: dict[str, Any] = {
    "name": "tiny",
    "task": {
        "data": {"dataset": "digits", "train": 200, "validation": 64},
        "corruption": {"kind": "gaussian", "sigma": 0.2},
        "epochs": 3,
    },
    "search": {"sampler": {"kind": "random"}, "pruner": {"kind": "none"}, "trials": 4},
    "trial": {
        "optimizer": {
            "kind": "adam",
            "learning_rate": {"float": [1.0e-3, 1.0e-2], "log": True},
        },
        "batch_size": 64,
        "model": {"kind": "mlp", "depth": 1, "width": {"int": [8, 32]}, "latent": 8},
    },
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The tree with these changes laid over it; a mapping that says `kind` replaces its like."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        whole = {"kind", "choice", "int", "float"}
        deeper = isinstance(value, dict) and isinstance(old, dict) and not whole & set(value)
        result[key] = merged(old, value) if deeper else value
    return result


def study_text(**changes: Any) -> str:
    return yaml.safe_dump(merged(TINY, changes), sort_keys=False)


def tracebacks(text: str) -> list[str]:
    """The error of each one in what a process wrote.

    An interrupt that comes while a weak reference is cleared is told by Python as an ignored
    exception; such a one does not count.
    """
    lines = ["", *text.splitlines(), ""]
    return [
        "traceback: " + next(line for line in lines[number + 1 :] if not line.startswith(" "))
        for number, line in enumerate(lines)
        if "Traceback" in line and not lines[number - 1].startswith("Exception ignored in")
    ]


def study_file(**changes: Any) -> StudyFile:
    return parse_study(study_text(**changes), where="tiny.yaml", base="/")


CPU = torch.device("cpu")


def inputs_of(file: StudyFile, settings: Settings, device: torch.device = CPU) -> Inputs:
    return load_inputs(file, settings, device)


def config_of(file: StudyFile) -> TrialConfig:
    """The trial of a study in which nothing is searched."""
    return TrialConfig.model_validate(fill(file.study.space, FixedSuggester({})).config)


def launch(words: Sequence[object], *, fresh: bool = False, **how: Any) -> subprocess.Popen[Any]:
    """Start the command line; a `fresh` process imports everything itself, as a user's does.

    `how` is what `subprocess.Popen` takes: the folder, the environment and three standard files.
    """
    given = [str(word) for word in words]
    if fresh or sys.platform != "linux":
        return subprocess.Popen([sys.executable, "-m", "autoencoder_hpo", *given], **how)
    return Born(given, **how)


class Cli:
    """The real command line in processes of its own, on a database and home of its own."""

    def __init__(self, home: Path, database: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "AUTOENCODER_HPO_HOME": str(home),
            "AUTOENCODER_HPO_STORAGE": database,
            "COLUMNS": "120",
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, fresh: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start it; a `fresh` process still has to import everything, as a user's does."""
        process = launch(
            words,
            fresh=fresh,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what a failed test has left; it would take the time of those after it."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def __call__(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run it; returns what it printed, after checking the exit code."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, f"{words} ended with {process.returncode}:\n{out}{err}"
        assert "Traceback" not in err
        return out if code == 0 else err.strip()

    def work(self, name: str, workers: int, **environment: str) -> str:
        """Let so many processes work on a study at once, to its end; returns what they wrote."""
        words = ("worker", name, "--device", "cpu", "--threads", "1")
        started = [self.start(*words, **environment) for _ in range(workers)]
        said = "".join(line for each in started for line in each.communicate(timeout=300))
        assert [process.returncode for process in started] == [0] * workers, said
        return said

    def write(self, **changes: Any) -> str:
        """A study file named after its study."""
        file = f"{changes.get('name', 'tiny')}.yaml"
        (self.folder / file).write_text(study_text(**changes))
        return file


def trial_of(opened: StudyHandle, claimed: Claimed) -> optuna.Trial:
    """Optuna's own object, to suggest with and to tell by hand."""
    opened.trials()  # Optuna's cache learns of the trial
    return optuna.Trial(opened.optuna, claimed.trial_id)


def after(questions: int) -> Callable[[], bool]:
    """Says yes from this many questions on."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= questions


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for this to come true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that an error of ours is."""
        lines = self.err.strip().splitlines()
        assert self.code == 1, (self.code, self.out, self.err)
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("error: ")

    def good(self) -> str:
        assert self.code == 0, (self.code, self.out, self.err)
        return self.out


def prepared(val_clean: torch.Tensor, val_noisy: torch.Tensor | None = None) -> DeviceData:
    """A prepared set of these validation images; the noisy ones are darker unless given."""
    noisy = val_clean * 0.9 if val_noisy is None else val_noisy
    return DeviceData(torch.device("cpu"), val_clean, None, val_clean, noisy, 0.5, 0.25)
