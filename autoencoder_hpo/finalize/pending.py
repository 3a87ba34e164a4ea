"""A look that is not packed yet: kept, so that a finalize that was killed need not look again."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from autoencoder_hpo.finalize.results import TestScores
from autoencoder_hpo.finalize.retraining import keep_whole

FILE = "look.json"


@dataclass(frozen=True, slots=True)
class Pending:
    """What was seen; `id` is the look's in the study, `key` that of the finalize it belongs to."""

    id: str
    key: str
    weights: str
    """sha256 of what was tested."""
    tested: TestScores


_PENDING: TypeAdapter[Pending] = TypeAdapter(Pending)


def read_pending(folder: Path, key: str) -> Pending | None:
    """The look of this finalize; None when there is none that waits for its bundle."""
    try:
        found = _PENDING.validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.key == key else None


def write_pending(folder: Path, pending: Pending) -> None:
    keep_whole(folder / FILE, _PENDING.dump_json(pending, indent=2))


def settle_pending(folder: Path) -> None:
    """Its bundle is there: another finalize would look again."""
    (folder / FILE).unlink(missing_ok=True)
