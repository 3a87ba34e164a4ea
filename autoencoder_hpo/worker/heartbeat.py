"""Telling the study about a running trial, from a thread of its own.

The training never waits for the database: epochs are handed over, and sent together with the
next beat. An outage is waited out here. What comes back is whose the trial still is, and whether
somebody has paused or stopped the study.
"""

import logging
import threading
import time
from types import TracebackType

from autoencoder_hpo.storage.leases import Ownership, beat
from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.study import StudyHandle

log = logging.getLogger(__name__)

BEATS_A_GRACE = 4
MOST_OFTEN_S = 0.25
"""Between two reports, however short the epochs; a rung does not wait for it."""
SHARE = 0.1
"""A report takes at most this part of the time until the next: a busy database hears less often."""
RETRY_S = 1.0


class Heartbeat:
    """Keeps one trial alive and its epochs told while the block lasts.

    `ownership` is what the last answer of the database said; before the first it is ours.
    """

    def __init__(self, opened: StudyHandle, trial_id: int, worker: str) -> None:
        self.opened = opened
        self.trial_id = trial_id
        self.worker = worker
        self.ownership = Ownership("mine", "RUNNING")
        self.beat_s = opened.storage.grace / BEATS_A_GRACE
        self._untold: dict[int, float] = {}
        self._psnr: float | None = None
        self._changed = threading.Condition()
        self._wanted = False  # somebody waits for what is untold
        self._away = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def called_off(self) -> bool:
        """Whether to train no further: the trial is another's, or the study is halted."""
        return self.ownership.owner != "mine" or self.ownership.halt is not None

    def epoch(self, number: int, value: float, psnr: float) -> None:
        """Hand over an epoch, counted from 1, with its objective and its PSNR in dB."""
        with self._changed:
            self._untold[number] = value
            self._psnr = psnr
            self._changed.notify_all()

    def told(self, seconds: float) -> bool:
        """Wait until everything is told; False when the database is away, or too slow."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._away or not self._untold, seconds)
            self._wanted = False
            return not self._untold

    def take_untold(self) -> dict[int, float]:
        """The epochs that the study does not know yet; from now on only beats are sent."""
        with self._changed:
            untold, self._untold = self._untold, {}
            return untold

    def _run(self) -> None:
        began = time.monotonic()
        while not self._closing:
            with self._changed:
                until_beat = began + self.beat_s - time.monotonic()
                self._changed.wait_for(lambda: self._closing or self._untold, until_beat)
                if self._closing:
                    return
                epochs, psnr = dict(self._untold), self._psnr
            began = time.monotonic()
            if not self._send(epochs, psnr):
                self._pause(RETRY_S)
            else:
                self._pause(max(MOST_OFTEN_S, (time.monotonic() - began) / SHARE))

    def _pause(self, seconds: float) -> None:
        """At most for the time between two beats, also where answers take longer than that."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or (self._wanted and not self._away),
                min(seconds, self.beat_s),
            )

    def _send(self, epochs: dict[int, float], psnr: float | None) -> bool:
        news = psnr if epochs else None
        try:
            ownership = beat(self.opened, self.trial_id, self.worker, epochs, news)
        except Exception as error:
            if not is_outage(error):  # a bug: the trial must not be taken for a living one
                log.exception("trial cannot be kept alive")
                raise
            self.opened.storage.outages.saw()
            with self._changed:
                self._away = True
                self._changed.notify_all()
            return False
        if not self._wanted:  # whoever waits asks the database next, and lets it rest
            self.opened.storage.release_connections()
        with self._changed:
            self.ownership = ownership
            self._away = False
            for number in epochs:
                self._untold.pop(number, None)
            self._changed.notify_all()
        return True
