"""Everything this package raises on purpose.

AutoencoderHpoError
  StudyError        a study file, or a study's use, is wrong; the message says where
  DataError         images cannot be read, or are not what the study says
  StorageError      the database cannot be reached or used
    UnreachableError  it answered before, and does so no more
  DeviceError       the device asked for is not there
  SettingError      an environment variable holds what it cannot
  DiskError         a directory cannot be written
  CheckpointError   a checkpoint does not belong to the trial that wants it
  BundleError       a denoiser's folder is missing, damaged, newer, or cannot be made
  AccessError       the dashboard cannot be protected or reached as asked

Each is one line: what was found, where, and what to do. A bug raises something else
and keeps its traceback.
"""

from collections.abc import Sequence


class AutoencoderHpoError(Exception):
    """Base class: catch this to catch all of them."""


class StudyError(AutoencoderHpoError):
    """A study file does not describe a study we can run, or a study cannot be used so.

    A problem that has a line is a pair of it and the text.
    """

    def __init__(self, where: object, problems: Sequence[str | tuple[int, str]]) -> None:
        self.where = str(where)
        placed = [(None, item) if isinstance(item, str) else item for item in problems]
        self.problems = [" ".join(text.splitlines()) for _, text in placed]
        super().__init__(
            "\n".join(
                f"{where}: {text}" if line is None else f"{where}:{line}: {text}"
                for (line, _), text in zip(placed, self.problems, strict=True)
            )
        )


class DataError(AutoencoderHpoError):
    """Images cannot be read, or do not fit what the study says about them."""


class StorageError(AutoencoderHpoError):
    """The trial database cannot be used."""


class UnreachableError(StorageError):
    """The trial database went away and did not come back in time."""


class DeviceError(AutoencoderHpoError):
    """The device asked for does not exist on this machine."""


class DiskError(AutoencoderHpoError):
    """A directory that we must write is full, read-only or not ours."""


class SettingError(AutoencoderHpoError):
    """An environment variable holds a value that it cannot have."""


class CheckpointError(AutoencoderHpoError):
    """A checkpoint does not belong to this trial."""


class BundleError(AutoencoderHpoError):
    """A denoiser's folder is missing, damaged or of a newer format, or cannot be made so."""


class AccessError(AutoencoderHpoError):
    """The dashboard cannot be protected, or not be reached, in the way that was asked."""
