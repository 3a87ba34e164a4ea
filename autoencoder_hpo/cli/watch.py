"""Watching a study: a live table on a terminal, plain lines elsewhere.

It reads the database and nothing else, so workers on other machines show up too.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.live import Live

from autoencoder_hpo.cli.tables import AtWork, View, live_screen
from autoencoder_hpo.errors import UnreachableError
from autoencoder_hpo.processes import Fleet
from autoencoder_hpo.stopping import StopFlag
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.status import Summary, running, summary
from autoencoder_hpo.storage.study import StudyHandle, open_study
from autoencoder_hpo.storage.wording import trial_line

POLL_S = 0.5


def work(opened: StudyHandle, fleet: Fleet, console: Console) -> bool:
    """Let the workers begin, until the study has nothing left to do, and show it.

    Returns False when a signal stopped them. A second signal ends them at once.

    Raises:
        AutoencoderHpoError: a worker ended with an error.
    """
    stop = StopFlag()
    stop.listen(hard=False)  # the workers are to be ended first
    try:
        fleet.release()
        watch(opened, console, lambda: fleet.going() and not stop(), fleet.heard)
    finally:
        fleet.stop(now=stop.asked_twice)
    if not stop():
        fleet.raise_failure()
    return not stop()


def watch(
    opened: StudyHandle,
    console: Console,
    going: Callable[[], bool],
    heard: Callable[[], list[str]] = list,
) -> None:
    """Show the study until `going` says no; the last state is shown too.

    `heard` gives lines that workers have said since it was asked last.
    """
    try:
        watcher = opened.storage.with_retry(lambda: Watcher(opened), lambda: not going())
    except UnreachableError:  # whoever works says so
        return
    away = False

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    def look(live: Live | None) -> None:
        """An outage of the database is told once, and ends nothing here."""
        nonlocal away
        for line in heard():
            say(line)
        try:
            for line in watcher.news():
                say(line)
            if live is not None:
                live.update(live_screen(watcher.view()))
        except KeyError:  # the study was deleted; the workers say so
            return
        except Exception as error:
            if not is_outage(error):
                raise
            if not away:
                say("the database does not answer; workers train on and wait for it")
            away = True
            return
        if away:
            say("the database answers again")
        away = False

    on_terminal = Live(console=console, refresh_per_second=4, transient=True)
    with on_terminal if console.is_terminal else nullcontext() as live:
        while going():
            look(live)
            time.sleep(POLL_S)
    look(None)


@contextmanager
def watched(
    storage: Storage, name: str, console: Console, stop: Callable[[], bool]
) -> Iterator[None]:
    """Show the study from a thread of its own while this process works on it."""
    opened = storage.with_retry(lambda: open_study(storage, name), stop)
    done = threading.Event()
    thread = threading.Thread(
        target=watch, args=(opened, console, lambda: not done.is_set() and not stop()), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Watcher:
    """Remembers what it has said, and when it began, for the time that is left."""

    def __init__(self, opened: StudyHandle) -> None:
        self.opened = opened
        self.seen = {t.number for t in opened.trials() if t.state.is_finished()}
        self.finished_before = len(self.seen)
        self.started = time.monotonic()

    def news(self) -> list[str]:
        """A line for each trial that has finished since the last call."""
        fresh = [
            t for t in self.opened.trials() if t.state.is_finished() and t.number not in self.seen
        ]
        self.seen |= {trial.number for trial in fresh}
        return [self._line(trial) for trial in fresh]

    def view(self) -> View:
        known = summary(self.opened)
        workers = [self._at_work(trial) for trial in running(self.opened)]
        return View(known, workers, self._time_left(known))

    def _line(self, trial: FrozenTrial) -> str:
        best = self.opened.best()
        star = "  * best so far" if best is not None and best.number == trial.number else ""
        return trial_line(StoredTrial.of(trial), self.opened.study.search.objective) + star

    def _at_work(self, trial: StoredTrial) -> AtWork:
        config = trial.config
        return AtWork(
            worker=trial.record.worker or "",
            trial=trial.number,
            model=trial.kind,
            epoch=max(trial.intermediate_values, default=0),
            epochs=(config and config.epochs) or self.opened.study.task.epochs,
            psnr=trial.record.val_psnr,
        )

    def _time_left(self, known: Summary) -> float | None:
        """By the pace since watching began, and at most until the deadline."""
        done = len(self.seen) - self.finished_before
        guesses = [known.seconds_left]
        if known.budget.trials is not None and done:
            left = known.budget.trials - known.counts.finished
            guesses.append(left * (time.monotonic() - self.started) / done)
        return min((guess for guess in guesses if guess is not None), default=None)
