"""Folders whose files come in another order, as on another file system."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest


class Listing(Iterator[Any]):
    """What `os.scandir` gives, in this order."""

    def __init__(self, entries: Sequence[Any]) -> None:
        self._left = iter(entries)

    def __next__(self) -> Any:
        return next(self._left)

    def __enter__(self) -> "Listing":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def listing(*, backwards: bool) -> Iterator[None]:
    """All folders are listed in the order of their names, or in the opposite one."""
    scan, names = os.scandir, os.listdir

    def entries(path: Any = ".") -> Listing:
        with scan(path) as found:
            return Listing(sorted(found, key=lambda entry: str(entry.name), reverse=backwards))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", entries)
        patch.setattr(os, "listdir", lambda path=".": sorted(names(path), reverse=backwards))
        yield
