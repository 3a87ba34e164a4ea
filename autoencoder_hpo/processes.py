"""The same worker, several times on this machine: processes that share its cores fairly.

Light, so that they can start early: torch is asked only where there may be a GPU.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoencoder_hpo.errors import AutoencoderHpoError
from autoencoder_hpo.settings import Settings, make_directory
from autoencoder_hpo.stopping import StopFlag

MOST_CPU_WORKERS = 8
GPU_MARKS = ("nvidia*", "nvhost*", "kfd", "dxg")
"""Device files of NVIDIA's drivers, of AMD's, and of Windows' for its Linux."""
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
    cores = usable_cores()
    places = _places(device)
    default = min(cores, MOST_CPU_WORKERS) if places == ["cpu"] else len(places)
    number = default if workers is None else workers
    threads = max(1, cores // max(1, number))
    return [Slot(places[index % len(places)], threads) for index in range(number)]


def _places(device: str | None) -> list[str]:
    """The devices that workers are spread over."""
    if device == "cpu" or (device is None and not may_have_gpu()):
        return ["cpu"]
    import torch

    from autoencoder_hpo.training.devices import choose_device

    chosen = choose_device(device)
    if chosen.type == "cuda" and device in (None, "cuda"):
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [str(chosen)]


def may_have_gpu() -> bool:
    """Whether torch is worth asking for one: on Linux, where a driver has left its mark."""
    marks = (mark for kind in GPU_MARKS for mark in Path("/dev").glob(kind))
    return sys.platform != "linux" or next(marks, None) is not None


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
        self,
        name: str | None,
        storage: str | None,
        places: list[Slot],
        settings: Settings,
        *,
        held: bool = False,
    ) -> None:
        """`name`: a study; None for every study. `held`: until `release`, they only import."""
        self._held = held
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
        command += ["--parent", str(os.getpid())] + ["--held"] * self._held
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
                stdin=subprocess.PIPE if self._held else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # a Ctrl-C reaches us alone, and we pass it on once
            )
        return process, log

    def __len__(self) -> int:
        return len(self._workers)

    def release(self) -> None:
        """Let workers that were held begin."""
        self._held = False
        for process, _ in self._workers:
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin as line:  # it ended: it has said why
                line.write(b"\n")

    def dismiss(self) -> None:
        """End workers that were never released, without a trace."""
        if not self._held:
            return
        self.stop(now=lambda: True)
        for process, log in self._workers:
            assert process.stdin is not None
            process.stdin.close()
            log.unlink(missing_ok=True)

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
