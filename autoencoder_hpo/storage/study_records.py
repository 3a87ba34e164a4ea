"""What a study keeps beside its trials: values, and the only place that knows how they are stored.

They are attributes of Optuna's study. One that is missing, or that this program does not write,
is None or empty here: studies of earlier versions lack some.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any, Literal, Self, TypedDict, Unpack

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.data.image_statistics import ImageStatistics
from autoencoder_hpo.training.results import AffineRecord, Level, PcaRecord

FILE = "study_file"
DATA = "data"
BUDGET = "budget"
HALTED = "halted"
Attrs = dict[str, Any]
"""Names and JSON values, as Optuna has them."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The study file: its text, the folder of its relative paths, and where it lay."""

    text: str
    base: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a study may do. `trials` counts COMPLETE and PRUNED; `timeout` is in seconds."""

    trials: int | None
    timeout: float | None

    def grown(self, other: "Budget") -> "Budget":
        return Budget(_larger(self.trials, other.trials), _larger(self.timeout, other.timeout))


@dataclass(frozen=True, slots=True)
class Halt:
    """Why no worker takes a trial, or goes on with one, until `resume` clears it.

    A paused study keeps its workers waiting; a stopped one ends them.
    """

    kind: Literal["paused", "stopped"]
    reason: str
    by_hand: bool = True


@dataclass(frozen=True, slots=True)
class ShownState:
    """What the study's pictures show.

    Attributes:
        finished: trials that were finished then.
        at: when they were drawn, in seconds since 1970.
        turn: how often they were drawn.
    """

    finished: int = 0
    at: float = 0.0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw a score on the test images. `at`: seconds since 1970, the database's clock."""

    id: str
    key: str
    at: float
    who: str
    trial: int
    psnr: float
    images: int


@dataclass(frozen=True, slots=True)
class Audited:
    """A pruned trial that an audit has finished; None where its loss was not finite.

    Attributes:
        epoch: after which it was pruned.
        value: what its best epoch came to, as the study's objective counts it.
        psnr: of that epoch, in dB.
    """

    trial: int
    epoch: int
    value: float | None
    psnr: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """What a study's images are, and what they score without a model. It never changes.

    Attributes:
        uid: tells studies of the same name apart where files lie.
        hash: of the images' content.
        counts: images of each split.
        shape: channels, height and width.
        noisy: of the noisy images as they are.
        affine: None where nothing is noisy, and in studies of version 0.1.
        groups: validation images of each class or folder; None without any.
        pca: None for large images.
        census: None in old studies.
        skipped: files that were left out, in words.
    """

    uid: str
    hash: str
    counts: Mapping[str, int]
    shape: tuple[int, int, int]
    noisy: Level
    affine: AffineRecord | None = None
    groups: Mapping[str, int] | None = None
    pca: PcaRecord | None = None
    census: ImageStatistics | None = None
    skipped: tuple[str, ...] = ()

    def affine_by(self, metric: Metric) -> float | None:
        """What the affine filter scores; None where that is not known."""
        return None if self.affine is None else self.affine.level.by(metric)

    def as_record(self) -> Attrs:
        return {each.name: as_json(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        channels, height, width = record["shape"]
        affine, pca, census = (record.get(name) for name in ("affine", "pca", "census"))
        return cls(
            uid=record.get("uid", ""),
            hash=record.get("hash", ""),
            counts=record.get("counts") or {},
            shape=(channels, height, width),
            noisy=Level.of_record(record.get("noisy") or {}),
            affine=None if affine is None else AffineRecord.of_record(affine),
            groups=record.get("groups"),
            pca=None if pca is None else PcaRecord.of_record(pca),
            census=None if census is None else ImageStatistics.of_record(census),
            skipped=tuple(record.get("skipped") or ()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """All that a study keeps; of a study of another program nothing is read.

    Attributes:
        file: None in a study of another program.
        deadline: when its timeout is over, in seconds since 1970 by the database's clock; None
            before the first claim.
        cleared: the first trial that counts after the last stop was cleared.
    """

    file: StoredFile | None = None
    data: StudyData | None = None
    budget: Budget = Budget(None, None)
    deadline: float | None = None
    halt: Halt | None = None
    cleared: int = 0
    shown: ShownState = ShownState()
    looks: tuple[Look, ...] = ()
    audit: tuple[Audited, ...] = ()

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> Self:
        if not is_ours(attrs):
            return cls()
        data = attrs.get(DATA)
        return cls(
            file=StoredFile(**attrs[FILE]),
            data=None if data is None else StudyData.of_record(data),
            budget=Budget(**(attrs.get(BUDGET) or {"trials": None, "timeout": None})),
            deadline=attrs.get(KEYS["deadline"]),
            halt=halt_of(attrs.get(HALTED)),
            cleared=attrs.get(KEYS["cleared"]) or 0,
            shown=ShownState(**(attrs.get(KEYS["shown"]) or {})),
            looks=tuple(Look(**each) for each in attrs.get(KEYS["looks"]) or ()),
            audit=tuple(Audited(**each) for each in attrs.get(KEYS["audit"]) or ()),
        )


class Changes(TypedDict, total=False):
    """Fields of a `StudyRecord` that are to be written."""

    file: StoredFile
    data: StudyData
    budget: Budget
    deadline: float | None
    halt: Halt | None
    cleared: int
    shown: ShownState
    looks: tuple[Look, ...]
    audit: tuple[Audited, ...]


KEYS = {each.name: each.name for each in fields(StudyRecord)} | {"file": FILE, "halt": HALTED}
"""Under which name each field is stored."""


def study_attrs(**changes: Unpack[Changes]) -> Attrs:
    """These fields as they are stored."""
    return {KEYS[name]: as_json(value) for name, value in changes.items()}


def halt_of(stored: Mapping[str, Any] | None) -> Halt | None:
    return None if stored is None else Halt(**stored)


def uid_of(attrs: Mapping[str, Any]) -> str:
    """Of a study whoever made it; empty where it has none."""
    return str((attrs.get(DATA) or {}).get("uid", ""))


def is_ours(attrs: Mapping[str, Any]) -> bool:
    """Whether the study was made by this program."""
    return FILE in attrs


def without_pictures(attrs: Mapping[str, Any]) -> Attrs:
    """All of it, but that anything is shown: elsewhere the pictures are drawn anew."""
    return {name: value for name, value in attrs.items() if name != KEYS["shown"]}


def as_json(value: Any) -> Any:
    """As JSON has it."""
    if hasattr(value, "as_record"):
        return value.as_record()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple):
        return [as_json(each) for each in value]
    if isinstance(value, StrEnum):
        return value.value
    return dict(value) if isinstance(value, Mapping) else value


def _larger(one: Any, other: Any) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)
