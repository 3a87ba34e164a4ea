"""Reading all that a report says of a study."""

from datetime import datetime

from autoencoder_hpo.diagnosis.facts import facts_of
from autoencoder_hpo.diagnosis.study import diagnose
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.gallery import read_gallery
from autoencoder_hpo.showcase.store import ArtifactStore
from autoencoder_hpo.storage.status import summary
from autoencoder_hpo.storage.study import StudyHandle, best_first


def gather(opened: StudyHandle, *, store: ArtifactStore, now: datetime) -> Contents:
    """What there is to report of a study, whatever state it is in."""
    facts = facts_of(opened)
    best = best_first(facts.trials, opened.study.search.objective)
    return Contents(
        name=opened.name,
        file=opened.file.text,
        facts=facts,
        summary=summary(opened),
        findings=diagnose(facts),
        gallery=read_gallery(best, opened.data, store, opened.study.search.objective),
        made=now,
    )
