"""How a process is asked to stop. Light: no torch, no Optuna."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """Set by SIGINT and SIGTERM: finish nothing new, hand back what runs.

    A second signal ends the process at once; with `listen(hard=False)` it is only noted.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._hard = True
        self._signals = 0
        self._at_once = False

    def __call__(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)

    def asked_twice(self) -> bool:
        return self._signals > 1

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this, a signal also ends what is being done. Raises KeyboardInterrupt.

        Where a compiled module is being imported, the interrupt comes out as another error.
        """
        self._at_once = True
        try:
            yield
        except Exception:
            if self():
                raise KeyboardInterrupt from None
            raise
        finally:
            self._at_once = False

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
        if self._at_once:
            raise KeyboardInterrupt

    def follow(self, parent: int) -> None:
        """Stop too when the process that started this one is gone."""

        def watch() -> None:
            while not self._event.wait(1.0):
                if os.getppid() != parent:
                    self._event.set()

        threading.Thread(target=watch, name="parent", daemon=True).start()
