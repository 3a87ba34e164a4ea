"""What is wrong with a study file: where, and in words."""

from dataclasses import dataclass

from autoencoder_hpo.config import CosineSchedule, ExponentialSchedule, Task, TrialConfig
from autoencoder_hpo.space.holes import Path, show


@dataclass(frozen=True, slots=True)
class Problem:
    """`at`: where in the file. `path`: the same as people say it."""

    at: Path
    path: Path
    text: str

    def __str__(self) -> str:
        path = ".".join(str(key)[:60] for key in self.path)
        return f"{path}: {self.text}" if path else self.text


def epoch_problems(config: TrialConfig, task: Task) -> list[Problem]:
    epochs = config.epochs or task.epochs
    problems = []
    if epochs > task.epochs:
        at: Path = ("epochs",)
        text = f"found {epochs}; must be at most task.epochs, which is {task.epochs}"
        problems.append(Problem(at, at, text))
    match config.schedule:
        case CosineSchedule(warmup_epochs=begin) if begin >= epochs:
            problems.append(_too_late("warmup_epochs", begin, epochs))
        case ExponentialSchedule(start_epoch=begin) if begin >= epochs:
            problems.append(_too_late("start_epoch", begin, epochs))
    return problems


def _too_late(key: str, begin: float, epochs: int) -> Problem:
    at = ("schedule", key)
    text = f"found {show(begin)}; must be below the epochs of a trial, here {epochs}"
    return Problem(at, at, text)
