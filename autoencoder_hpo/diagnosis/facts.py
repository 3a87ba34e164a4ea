"""Reading all that a diagnosis looks at."""

from autoencoder_hpo.diagnosis.findings import Facts
from autoencoder_hpo.storage.status import OVER, summary
from autoencoder_hpo.storage.study import StudyHandle


def facts_of(opened: StudyHandle) -> Facts:
    """What the database knows of a study now."""
    return Facts(
        opened.study,
        opened.data,
        opened.stored_trials(),
        over=summary(opened).state in OVER,
        audit=opened.record().audit,
    )
