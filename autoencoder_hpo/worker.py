"""One worker: claim a trial, train it, tell the study, until nothing is left to do."""

import logging
import os
import signal
import socket
import threading
from types import FrameType

import torch

from autoencoder_hpo.claims import Claimed, Nothing, claim
from autoencoder_hpo.inputs import Inputs, load_inputs, refuse_other_data
from autoencoder_hpo.ledger import OpenStudy, open_study
from autoencoder_hpo.objective import Place, run_trial
from autoencoder_hpo.search import with_search
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.storage import Storage

log = logging.getLogger(__name__)
POLL_S = 1.0  # between two looks for a trial, while others still work


class StopFlag:
    """Set by SIGINT and SIGTERM: finish nothing new, hand back what runs.

    A second signal ends the process at once; with `listen(hard=False)` it is only noted.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._hard = True
        self._signals = 0

    def __call__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)

    def asked_twice(self) -> bool:
        return self._signals > 1

    def listen(self, *, hard: bool = True) -> None:
        """Let the signals of this process set the flag."""
        self._hard = hard
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1 and self._hard:
            os._exit(128 + number)
        self._event.set()

    def follow(self, parent: int) -> None:
        """Stop too when the process that started this one is gone."""

        def watch() -> None:
            while not self._event.wait(1.0):
                if os.getppid() != parent:
                    self._event.set()

        threading.Thread(target=watch, name="parent", daemon=True).start()


def run_worker(
    storage: Storage,
    name: str,
    *,
    settings: Settings,
    device: torch.device,
    threads: int,
    stop: StopFlag,
) -> Nothing | None:
    """Work on a study until its budget is used up or `stop` is set.

    Returns why there was nothing left to do; None when it was stopped.

    Raises:
        StudyError: no such study, or the images here are not its images.
    """
    torch.set_num_threads(threads)
    opened = with_search(open_study(storage, name))
    inputs = load_inputs(opened.file, settings, device)
    refuse_other_data(opened, inputs)
    place = Place(worker=worker_id(), device=device, threads=threads, settings=settings)
    return _work(opened, inputs, place, stop)


def worker_id() -> str:
    """Machine and process: what `status` and the live table call a worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _work(opened: OpenStudy, inputs: Inputs, place: Place, stop: StopFlag) -> Nothing | None:
    while not stop():
        match claim(opened, place.worker):
            case Nothing(why="wait"):
                stop.wait(POLL_S)
            case Nothing() as nothing:
                return nothing
            case Claimed() as claimed:
                outcome = run_trial(opened, claimed, inputs.prepared, place, cancelled=stop)
                log.info("trial %d: %s", claimed.trial.number, outcome)
                _release(place.device)
    return None


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
