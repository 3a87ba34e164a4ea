"""Where restored images go: standard output, or a folder that can be written."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from autoencoder_hpo.errors import DiskError


def write_out(content: Callable[[BinaryIO], None]) -> None:
    """To standard output. NumPy and Pillow ask a file where they are in it; a pipe cannot say."""
    whole = io.BytesIO()
    content(whole)
    sys.stdout.buffer.write(whole.getbuffer())
    sys.stdout.buffer.flush()


def check_folder(folder: Path) -> None:
    """Make sure that files can be written there, before anything is computed.

    Raises:
        DiskError: they cannot.
    """
    probe = folder / f".{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DiskError(
            f"{folder}: cannot be written ({error.strerror}); choose another"
        ) from error
