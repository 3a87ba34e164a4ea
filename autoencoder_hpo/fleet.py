"""The same worker, several times on this machine: processes that share its cores fairly."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from autoencoder_hpo.errors import AutoencoderHpoError
from autoencoder_hpo.ledger import OpenStudy
from autoencoder_hpo.settings import Settings, make_directory
from autoencoder_hpo.training.devices import choose_device
from autoencoder_hpo.watch import watch
from autoencoder_hpo.worker import StopFlag

MOST_CPU_WORKERS = 8
PATIENCE_S = 10.0
"""How long a worker may take to hand its trial back."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one worker."""

    device: str
    threads: int


def slots(device: str | None, workers: int | None) -> list[Slot]:
    """Where workers run: one on each GPU, or on the CPU as many as there are cores.

    Small autoencoders gain little from a second thread, so that cores are better used by
    another trial each, up to `MOST_CPU_WORKERS`.

    Raises:
        DeviceError: the device does not exist here.
    """
    chosen = choose_device(device)
    cores = usable_cores()
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if chosen.type == "cuda" and (device is None or device == "cuda"):
        places = gpus
    else:
        places = [str(chosen)]
    default = len(places) if chosen.type != "cpu" else min(cores, MOST_CPU_WORKERS)
    number = default if workers is None else workers
    threads = max(1, cores // max(1, number))
    return [Slot(places[index % len(places)], threads) for index in range(number)]


def usable_cores() -> int:
    """Cores that this process may use: affinity, and a container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = Path("/sys/fs/cgroup/cpu.max")
    try:
        most, period = quota.read_text().split()
        limit = max(1, int(most) // int(period))
    except (OSError, ValueError):  # no cgroup, or "max"
        return cores or 1
    return min(cores or 1, limit)


def work(
    opened: OpenStudy, storage: str | None, places: list[Slot], settings: Settings, screen: Console
) -> bool:
    """Run workers in these places until the study has nothing left to do, and show it.

    Returns False when a signal stopped them. A second signal ends them at once.

    Raises:
        AutoencoderHpoError: a worker ended with an error.
    """
    stop = StopFlag()
    stop.listen(hard=False)  # the workers are to be ended first
    fleet = Fleet(opened.name, storage, places, settings)
    try:
        watch(opened, screen, lambda: fleet.going() and not stop(), fleet.heard)
    finally:
        fleet.stop(now=stop.asked_twice)
    if not stop():
        fleet.raise_failure()
    return not stop()


def attend(fleet: "Fleet", say: Callable[[str], object]) -> None:
    """Pass on what the workers say until a signal stops them or one of them fails.

    Raises:
        AutoencoderHpoError: a worker ended with an error; the others handed their trials back.
    """
    stop = StopFlag()
    stop.listen(hard=False)
    try:
        while fleet.whole() and not stop():
            for line in fleet.heard():
                say(line)
            stop.wait(0.5)
    finally:
        fleet.stop(now=stop.asked_twice)
    if not stop():
        fleet.raise_failure()


def _our_path() -> str:
    """Where workers find this very package, whatever the folder they start in holds."""
    ours = str(Path(__file__).parent.parent)
    return os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))


class Fleet:
    """Worker processes of one study on this machine."""

    def __init__(
        self, name: str | None, storage: str | None, places: list[Slot], settings: Settings
    ) -> None:
        """`name`: a study; None for every study."""
        self._logs = make_directory(settings.logs)
        self._read: Counter[Path] = Counter()  # characters of each log that were passed on
        self._workers = [self._start(name, storage, slot, i) for i, slot in enumerate(places)]

    def _start(
        self, name: str | None, storage: str | None, slot: Slot, index: int
    ) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._logs / f"{name or 'all'}-{os.getpid()}-{index}.log"
        command = [sys.executable, "-P", "-m", "autoencoder_hpo", "worker"]
        command += [name] if name else []
        command += ["--device", slot.device, "--threads", str(slot.threads)]
        command += ["--parent", str(os.getpid())]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(slot.threads),
            "PYTHONPATH": _our_path(),
        }
        if storage:  # in the environment, not on the command line, where anyone may read it
            environment["AUTOENCODER_HPO_STORAGE"] = storage
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # a Ctrl-C reaches us alone, and we pass it on once
            )
        return process, log

    def heard(self) -> list[str]:
        """What workers have written to their logs since the last call, such as warnings."""
        lines = []
        for index, (_, log) in enumerate(self._workers):
            text = log.read_text(errors="replace")
            whole = text[: text.rfind("\n") + 1]
            lines += [f"worker {index}: {line}" for line in whole[self._read[log] :].splitlines()]
            self._read[log] = len(whole)
        return lines

    def going(self) -> bool:
        return any(process.poll() is None for process, _ in self._workers)

    def whole(self) -> bool:
        """Whether no worker has failed, and any still works."""
        codes = [process.poll() for process, _ in self._workers]
        return None in codes and not any(codes)

    def signal(self, number: int) -> None:
        for process, _ in self._workers:
            if process.poll() is None:
                process.send_signal(number)

    def stop(self, *, now: Callable[[], bool]) -> None:
        """Ask every worker to hand its trial back; end those that do not in time, or all `now`."""
        self.signal(signal.SIGINT)
        until = time.monotonic() + PATIENCE_S
        while self.going() and time.monotonic() < until and not now():
            time.sleep(0.05)
        self.signal(signal.SIGKILL)
        for process, _ in self._workers:
            process.wait()

    def raise_failure(self) -> None:
        """Raise what ended a worker, in its own words.

        Raises:
            AutoencoderHpoError: a worker ended by itself with an error.
        """
        for process, log in self._workers:
            if process.wait() != 0:
                lines = log.read_text(errors="replace").strip().splitlines()
                said = lines[-1].removeprefix("error: ") if lines else "it said nothing"
                raise AutoencoderHpoError(
                    f"a worker ended with code {process.returncode}: {said} (see {log})"
                )
