"""What a diagnosis says: findings are values, which screens, reports and notes put into words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study_records import Audited, StudyData
from autoencoder_hpo.study import StudyConfig

Sure = Literal["certain", "likely", "possible"]
SURENESS: tuple[Sure, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that holds a study back.

    Attributes:
        kind: what it is, as the docs name it: `underfitting`, `edge-of-range`.
        about: `study`, or `trial 7`.
        seen: what was seen, one sentence for a beginner, with its numbers and units.
        figures: the numbers behind it.
        remedy: what to do, one sentence.
        change: the remedy as a line of the study file, path and value; None where it is none.
    """

    kind: str
    about: str
    seen: str
    figures: Mapping[str, float | str]
    sure: Sure
    remedy: str
    change: str | None = None

    @property
    def docs(self) -> str:
        """Where the kind is explained."""
        return f"docs/diagnosis.md#{self.kind}"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a diagnosis looks at; nothing in it needs images, torch or the database again."""

    study: StudyConfig
    data: StudyData
    trials: Sequence[StoredTrial]
    over: bool = True
    """Whether nothing is left to do: the budget is used up, or the study was stopped."""
    audit: Sequence[Audited] = ()


def by_sureness(findings: Sequence[Finding]) -> list[Finding]:
    """The surest first; those of the study before those of its trials."""
    return sorted(findings, key=lambda f: (SURENESS.index(f.sure), f.about != "study"))
