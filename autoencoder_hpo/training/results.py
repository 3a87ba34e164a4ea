"""What a training comes to, as values: what studies store, reports show and diagnoses read.

Nothing here needs torch, so that a study is looked at without it. A value that is stored says
itself how: `as_record` is its JSON, and `of_record` reads that again.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from autoencoder_hpo.config.metric import Metric

Precision = Literal["float32", "bfloat16"]
"""The number format of a step; weights are float32 always."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What one epoch came to. `epoch` counts from 1; PSNR is in dB, the mean over images.

    `also`: the metric that the training goes by, where it is neither of the two.
    """

    epoch: int
    train_loss: float
    val_mse: float
    val_psnr: float
    learning_rate: float
    also: Mapping[str, float] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        known = (self.train_loss, self.val_mse, *self.also.values())
        return all(map(math.isfinite, known))

    def as_record(self) -> dict[str, Any]:
        """As studies and checkpoints store it: one mapping, in which a metric is a key."""
        return {**{name: getattr(self, name) for name in EVERY_EPOCH_HAS}, **self.also}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises KeyError where something is missing."""
        known = {name: record[name] for name in EVERY_EPOCH_HAS}
        return cls(**known, also=other_metrics(record, EVERY_EPOCH_HAS))


@dataclass(frozen=True, slots=True)
class Scores:
    """Validation scores of a model, and of the noisy input; None where they mean nothing."""

    val_mse: float
    val_psnr: float
    val_ssim: float | None
    noisy_mse: float | None
    noisy_psnr: float | None
    noisy_ssim: float | None
    psnr_gain: float | None
    """val_psnr - noisy_psnr, in dB."""
    also: Mapping[str, float] = field(default_factory=dict)
    """The metric that the training went by, where it is none of these."""

    @property
    def level(self) -> "Level":
        """Of the model, to be put beside what is not trained."""
        return Level(self.val_mse, self.val_psnr, self.val_ssim)

    def as_record(self) -> dict[str, float | None]:
        """As studies store it: one mapping, in which a metric is a key."""
        return {**{name: getattr(self, name) for name in EVERY_SCORE_HAS}, **self.also}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises KeyError where MSE or PSNR is missing."""
        known = {name: record.get(name) for name in EVERY_SCORE_HAS}
        known |= {name: record[name] for name in ("val_mse", "val_psnr")}
        return cls(**known, also=other_metrics(record, EVERY_SCORE_HAS))  # type: ignore[arg-type]


EVERY_EPOCH_HAS = tuple(each.name for each in fields(EpochResult) if each.name != "also")
EVERY_SCORE_HAS = tuple(each.name for each in fields(Scores) if each.name != "also")


def other_metrics(record: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, float]:
    """The metrics in a record that have no field of their own."""
    names = [metric.value for metric in Metric if metric.value not in known]
    return {name: record[name] for name in names if record.get(name) is not None}


@dataclass(frozen=True, slots=True)
class Health:
    """How a trained model is inside. Shares are from 0 to 1; what is not finite is None."""

    images: int
    loss: float | None
    """What training lowers, penalties included, without dropout."""
    gradient_norm: float | None
    """Of that loss, over all weights."""
    weight_norm: float | None
    clean_mse: float | None
    """Of clean images passed through: what is lost without any noise."""
    dead: float
    """Share of all hidden units that give the same for every image."""
    dead_layer: float
    """The same, of the layer with most of them."""
    saturated: float | None
    """Share of the hidden values where tanh or sigmoid is flat; None for other activations."""
    saturated_layer: float | None

    def as_record(self) -> dict[str, float | None]:
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises KeyError where something is missing."""
        return cls(**{each.name: record[each.name] for each in fields(cls)})


# ---- what a trial is measured against --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Level:
    """Validation scores of what is not trained; None where they mean nothing. PSNR is in dB."""

    mse: float | None
    psnr: float | None
    ssim: float | None

    def by(self, metric: Metric) -> float | None:
        """Its score; None where it was not measured."""
        found: float | None = getattr(self, metric.key, None)
        return found

    def as_record(self) -> dict[str, float | None]:
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(record.get("mse"), record.get("psnr"), record.get("ssim"))


@dataclass(frozen=True, slots=True)
class AffineRecord:
    """The affine filter of a study: its scores, and what it was fitted to.

    Attributes:
        sees: which pixels it weighs, in words.
        images: training images that it was fitted to.
        groups: its PSNR of each class or folder, in dB; None without any.
    """

    level: Level
    sees: str | None = None
    images: int | None = None
    groups: Mapping[str, float] | None = None

    @property
    def psnr(self) -> float | None:
        return self.level.psnr

    def over(self, noisy: Level) -> float | None:
        """Its PSNR above that of the noisy input, in dB."""
        if self.psnr is None or noisy.psnr is None:
            return None
        return self.psnr - noisy.psnr

    def as_record(self) -> dict[str, Any]:
        groups = None if self.groups is None else dict(self.groups)
        known = {"sees": self.sees, "images": self.images, "groups": groups}
        return {**self.level.as_record(), **known}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        level, of_old = Level.of_record(record), record.get  # the first ones had scores only
        return cls(level, of_old("sees"), of_old("images"), of_old("groups"))


@dataclass(frozen=True, slots=True)
class PcaRecord:
    """The MSE that so many principal components leave of clean images."""

    mse: Mapping[int, float]

    def as_record(self) -> dict[str, list[float]]:
        return {"components": list(self.mse), "mse": list(self.mse.values())}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(dict(zip(record["components"], record["mse"], strict=True)))
