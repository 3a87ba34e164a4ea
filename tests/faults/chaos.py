"""Real workers on a real study while everything around them breaks, at random but by a seed.

    python tests/faults/chaos.py --seed 1 [--faults 200] [--trials 200] [--report FILE.md]

Workers are killed, stopped and frozen; connections are cut; the database goes away and comes
back; the artifact store turns read-only, and the disk with the checkpoints is full (these two on
file systems in memory, as root). Afterwards the promises are checked, from the database alone.
Exit code 1 when one is broken.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from optuna.trial import FrozenTrial, TrialState
from own_server import Server
from rich.console import Console
from rich.progress import Progress
from support import launch, study_text, tracebacks

from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage.database import open_storage
from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.records import LOSSES, REASON
from autoencoder_hpo.storage.study import StudyHandle, create_study, set_budget
from autoencoder_hpo.study import parse_study

GRACE_S = 5.0
EPOCHS = 8
YOUNG_S = 6.0
STUDY: dict[str, Any] = {  # one or two seconds a trial
    "task": {"epochs": EPOCHS, "data": {"dataset": "digits", "train": 500}},
    "trial": {
        "batch_size": 16,
        "optimizer": {"kind": "adam", "learning_rate": {"float": [1e-4, 1e-1], "log": True}},
        "model": {"kind": "unet", "depth": 1, "channels": {"int": [4, 10]}},
    },
    "search": {
        "sampler": {"kind": "tpe", "startup_trials": 10},
        "pruner": {"kind": "median", "warmup_epochs": 2},
    },
}
KINDS = {
    "SIGKILL": 3,
    "SIGTERM": 2,
    "SIGSTOP": 2,
    "connections cut": 5,
    "database away": 1,
    "store read-only": 1,
    "disk full": 1,
}
AS_ROOT = ("store read-only", "disk full")


@dataclass
class Chaos:
    """A study, its workers, and what is broken at the moment."""

    server: Server
    folder: Path
    dice: random.Random
    workers: int
    can_mount: bool
    started: float = field(default_factory=time.monotonic)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    mends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    born: dict[int, float] = field(default_factory=dict)
    away: bool = False

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def say(self, line: str) -> None:
        self.lines.append(f"{time.monotonic() - self.started:7.1f} s  {line}")

    # ---- workers ------------------------------------------------------------------------

    def employ(self) -> None:
        """Replace workers that have ended; one that ended by itself with an error is noted."""
        for process in self.processes:
            code = process.poll()
            if code not in (None, 0, -signal.SIGKILL, -signal.SIGTERM):
                self.say(f"worker {process.pid} ended with code {code}")
        self.processes = [process for process in self.processes if process.poll() is None]
        while len(self.processes) < self.workers and not self.away:
            process = self._start()
            self.processes.append(process)
            self.born[process.pid] = time.monotonic()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "workers.log").open("ab") as log:
            return launch(
                ("worker", "chaos", "--threads", "1"),
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AUTOENCODER_HPO_HOME": str(self.home),
            "AUTOENCODER_HPO_STORAGE": self.server.url,
            "AUTOENCODER_HPO_GRACE": str(GRACE_S),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }

    # ---- faults -------------------------------------------------------------------------

    def break_something(self) -> bool:
        """One fault, unless the one that was drawn cannot happen now."""
        kinds = [kind for kind in KINDS if self.can_mount or kind not in AS_ROOT]
        kind = self.dice.choices(kinds, [KINDS[k] for k in kinds])[0]
        victim = self._victim()
        if not self._happens(kind, victim):
            return False
        self.counts[kind] += 1
        self.say(kind + (f" {victim.pid}" if victim and kind.startswith("SIG") else ""))
        return True

    def _victim(self) -> subprocess.Popen[bytes] | None:
        """A worker; rather one that is past its imports."""
        young = time.monotonic() - YOUNG_S
        grown = [p for p in self.processes if self.born[p.pid] < young]
        return self.dice.choice(grown or self.processes) if self.processes else None

    def _happens(self, kind: str, victim: subprocess.Popen[bytes] | None) -> bool:
        match kind:
            case "SIGKILL" | "SIGTERM" if victim is not None:
                victim.send_signal(signal.Signals[kind])
            case "SIGSTOP" if victim is not None:
                victim.send_signal(signal.SIGSTOP)
                self._later(
                    self.dice.uniform(1.2, 2) * GRACE_S,
                    lambda: victim.send_signal(signal.SIGCONT),
                )
            case "connections cut" if not self.away:
                return self.server.cut_connections() > 0
            case "database away" if not self.away:
                self.server.stop()
                self.away = True
                self._later(self.dice.uniform(1, 1.5 * GRACE_S), self._bring_back)
            case "store read-only":
                self._remount("ro")
                self._later(self.dice.uniform(1, 5), lambda: self._remount("rw"))
            case "disk full":
                self._fill()
                self._later(self.dice.uniform(1, 5), self._empty)
            case _:
                return False
        return True

    def _later(self, seconds: float, mend: Callable[[], None]) -> None:
        self.mends.append((time.monotonic() + seconds, mend))

    def mend(self, *, all_of_it: bool = False) -> None:
        due = [m for m in self.mends if all_of_it or m[0] <= time.monotonic()]
        self.mends = [m for m in self.mends if m not in due]
        for _, mend in due:
            mend()

    def _bring_back(self) -> None:
        self.server.start()
        self.away = False
        self.say("database back")

    def _remount(self, mode: str) -> None:
        path = self.home / "artifacts"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(path)], check=False)

    def _fill(self) -> None:
        try:
            with (self.home / "trials" / "ballast").open("ab") as ballast:
                while True:
                    ballast.write(bytes(2**16))
                    ballast.flush()
        except OSError:
            pass

    def _empty(self) -> None:
        (self.home / "trials" / "ballast").unlink(missing_ok=True)

    def mount(self) -> None:
        """Small file systems for what is broken: 64 MB each."""
        for name in ("artifacts", "trials"):
            (self.home / name).mkdir(parents=True)
            if self.can_mount:
                command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs"]
                subprocess.run([*command, str(self.home / name)], check=True)

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        if not self.server.answers():
            self.server.start()
        if self.can_mount:
            for name in ("artifacts", "trials"):
                subprocess.run(["umount", "-l", str(self.home / name)], check=False)


# ---- the promises, from the database alone ----------------------------------------------


def broken_promises(opened: StudyHandle) -> list[str]:
    """What does not hold, in words."""
    trials, broken = opened.trials(), []
    states = Counter(trial.state for trial in trials)
    finished = states[TrialState.COMPLETE] + states[TrialState.PRUNED]
    if finished != opened.record().budget.trials:
        broken.append(f"{finished} finished of a budget of {opened.record().budget.trials}")
    if sorted(trial.number for trial in trials) != list(range(len(trials))):
        broken.append("numbers are missing or doubled")
    if states[TrialState.RUNNING] or states[TrialState.WAITING]:
        broken.append(f"{states[TrialState.RUNNING]} running, {states[TrialState.WAITING]} waiting")
    for trial in trials:
        broken += [f"trial {trial.number}: {what}" for what in _broken_of(trial)]
    return broken


def _broken_of(trial: FrozenTrial) -> list[str]:
    attrs, broken = trial.user_attrs, []
    if trial.state is TrialState.FAIL:
        return [] if REASON in attrs else ["failed without a reason"]
    curve = [(result["epoch"], result["val_mse"]) for result in attrs.get("history", [])]
    if [epoch for epoch, _ in curve] != list(range(1, len(curve) + 1)):
        broken.append("its history has holes")
    if sorted(trial.intermediate_values.items()) != curve:
        broken.append("its reports are not its history")
    if "config" not in attrs or "run" not in attrs:
        broken.append("it does not say what it was")
    pictures = [key for key in trial.system_attrs if key.startswith("artifacts:")]
    if curve and len(pictures) != 2 and "no_pictures" not in attrs:
        broken.append("neither pictures nor a reason why not")
    if trial.state is TrialState.COMPLETE:
        if len(curve) != EPOCHS:
            broken.append(f"complete after {len(curve)} of {EPOCHS} epochs")
        if trial.value != min(value for _, value in curve):
            broken.append("its value is not that of its best epoch")
    elif REASON not in attrs:
        broken.append("pruned without a reason")
    return broken


def errors_of_workers(log: Path) -> list[str]:
    """No worker ends with an error, also when its database is away as it starts."""
    text = log.read_text(errors="replace")
    return [line for line in text.splitlines() if line.startswith("error:")] + tracebacks(text)


def not_reproduced(chaos: Chaos, trials: list[FrozenTrial], many: int) -> list[str]:
    """Of the trials that lost a worker, some are trained again without any fault."""
    lost = [t for t in trials if LOSSES in t.user_attrs and t.state is not TrialState.FAIL]
    chosen = chaos.dice.sample(lost, min(many, len(lost)))
    broken = []
    for trial in chosen:
        again = launch(
            ("reproduce", "chaos", trial.number),
            cwd=chaos.folder,
            env={**os.environ, **chaos.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, _ = again.communicate()
        chaos.say(f"trial {trial.number} trained again: {said.strip().splitlines()[-1:]}")
        if f"identical in all {len(trial.user_attrs['history'])} epochs" not in said:
            broken.append(f"trial {trial.number} is another without faults: {said}")
    return broken


# ---- the run ----------------------------------------------------------------------------


def run(
    seed: int, *, faults: int, trials: int, workers: int, check: int, console: Console
) -> tuple[Chaos, StudyHandle, list[str]]:
    """Break things until so many faults have happened and the study is done."""
    folder = Path(tempfile.mkdtemp(prefix="hpo-chaos-"))
    chaos = Chaos(Server(folder), folder, random.Random(seed), workers, os.getuid() == 0)
    chaos.mount()
    settings = Settings(
        home=chaos.home, storage=chaos.server.url, password_file=None, data=None, grace=GRACE_S
    )
    storage = open_storage(None, settings)
    changes = {**STUDY, "search": {**STUDY["search"], "trials": trials, "seed": seed}}
    file = parse_study(study_text(name="chaos", **changes), where="chaos.yaml", base="/")

    from autoencoder_hpo.inputs import describe, load_inputs
    from autoencoder_hpo.training.devices import choose_device

    data = describe(load_inputs(file, settings, choose_device("cpu")))
    opened = create_study(storage, file, data)
    try:
        with Progress(console=console) as progress:
            bars = [progress.add_task("faults", total=faults), progress.add_task("trials")]
            while _goes_on(chaos, opened, faults, progress, bars):
                chaos.mend()
                chaos.employ()
                time.sleep(chaos.dice.uniform(0.8, 3.0))
                if sum(chaos.counts.values()) < faults:
                    chaos.break_something()
        chaos.mend(all_of_it=True)
        chaos.say("done")
        for process in chaos.processes:
            process.wait(timeout=120)
        broken = broken_promises(opened)
        broken += errors_of_workers(folder / "workers.log")
        left = list(chaos.home.rglob("checkpoint.pt*"))
        if left:
            broken.append(f"{len(left)} checkpoints were left: {left[0]}")
        for trial in opened.trials():
            if trial.state is TrialState.FAIL:
                chaos.say(f"trial {trial.number} failed: {trial.user_attrs.get(REASON)}")
        broken += not_reproduced(chaos, opened.trials(), check)
        return chaos, opened, broken
    finally:
        chaos.close()


def _goes_on(
    chaos: Chaos, opened: StudyHandle, faults: int, progress: Progress, bars: list[Any]
) -> bool:
    """Whether faults or trials are left; a study that is done too early gets more trials."""
    happened = sum(chaos.counts.values())
    progress.update(bars[0], completed=happened)
    if chaos.away:
        return True
    try:
        states = Counter(trial.state for trial in opened.trials())
        finished = states[TrialState.COMPLETE] + states[TrialState.PRUNED]
        budget = opened.record().budget.trials or 0
        if happened < faults and finished > budget - 10:
            set_budget(opened, trials=budget + 10, timeout=None)
    except Exception as error:
        if not is_outage(error):
            raise
        return True
    progress.update(bars[1], completed=finished, total=budget)
    return happened < faults or finished < budget


def summary(seed: int, chaos: Chaos, opened: StudyHandle, broken: list[str]) -> str:
    """What happened, as Markdown."""
    trials = opened.trials()
    states = Counter(trial.state.name for trial in trials)
    lost = sum(LOSSES in trial.user_attrs for trial in trials)
    rows = [(f"fault: {kind}", str(chaos.counts[kind])) for kind in KINDS]
    rows += [("faults", str(sum(chaos.counts.values())))]
    rows += [(f"trials: {state}", str(number)) for state, number in sorted(states.items())]
    rows += [
        ("budget", str(opened.record().budget.trials)),
        ("trials that lost a worker and were handed on", str(lost)),
        (
            "trials without pictures, with the reason",
            str(sum("no_pictures" in t.user_attrs for t in trials)),
        ),
        ("minutes", f"{(time.monotonic() - chaos.started) / 60:.1f}"),
        ("broken promises", str(len(broken))),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    log = "\n".join(chaos.lines)
    said = "".join(f"\n- {line}" for line in broken)
    return (
        f"# Chaos, seed {seed}\n\n| what | how many |\n|---|---|\n{table}\n{said}\n\n"
        f"```text\n{log}\n```\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--check", type=int, default=5, help="trials to train again afterwards")
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    os.environ["TZ"] = "UTC"
    chaos, opened, broken = run(
        given.seed, faults=given.faults, trials=given.trials, workers=given.workers,
        check=given.check, console=Console(stderr=True),
    )  # fmt: skip
    text = summary(given.seed, chaos, opened, broken)
    if given.report:
        given.report.write_text(text)
    print(text.split("```")[0])
    print(json.dumps({"seed": given.seed, "broken": broken}))
    if not broken:
        shutil.rmtree(chaos.folder, ignore_errors=True)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
