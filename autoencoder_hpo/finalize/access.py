"""Who has looked at the test images: kept in the study, before a score is shown.

A score on test images is honest once. Whoever looks again, with another winner, has begun to
choose by them.
"""

import getpass
import socket
import time
from collections.abc import Sequence

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.storage.study_records import Look


def looks_of(opened: StudyHandle) -> tuple[Look, ...]:
    """All looks at the study's test images, the first one first."""
    return opened.record().looks


def record_look(
    opened: StudyHandle, *, id: str, key: str, trial: int, psnr: float, images: int, again: bool
) -> tuple[Look, ...]:
    """Add a look, once however often it is told; returns all of them.

    Raises:
        StudyError: somebody else has looked meanwhile, and `again` was not asked for.
    """
    with opened.storage.transaction(opened.lock) as tx:
        here = opened.on(tx)
        before = looks_of(here)
        if any(look.id == id for look in before):
            return before
        if before and not again:
            raise second_look(opened.name, before)
        mine = Look(id, key, tx.now(), _who(), trial, psnr, images)
        after = (*before, mine)
        here.write(looks=after)
        return after


def second_look(study: str, looks: Sequence[Look]) -> StudyError:
    said = "; ".join(look_line(look) for look in looks)
    return StudyError(
        f"study {study}",
        [
            f"its test images were looked at already ({said}), and a score that is chosen from "
            "several is no longer honest; --again looks once more, which the model card will say"
        ],
    )


def look_line(look: Look) -> str:
    day = time.strftime("%Y-%m-%d %H:%M", time.gmtime(look.at))
    return f"{day} UTC by {look.who}: trial {look.trial}, {look.psnr:.2f} dB"


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
