"""What a finalize comes to: plain values for the table, the card and `scores.json`.

PSNR is in dB, the mean over images; MSE is the mean over pixels.
"""

from dataclasses import dataclass

from autoencoder_hpo.finalize.comparison import Estimate, Verdict
from autoencoder_hpo.storage.study_records import Look


@dataclass(frozen=True, slots=True)
class Step:
    """How far a part of the work is, for a progress bar. `of` is None where nobody knows."""

    name: str
    said: str
    done: int
    of: int | None
    psnr: float | None


@dataclass(frozen=True, slots=True)
class Selection:
    """How the winner was found: validation scores, averaged over the seeds of each trial.

    They are PSNR in dB, or what else people see of the study's objective (`Metric.shown`).
    """

    verdict: Verdict
    by_seed: dict[int, tuple[float, ...]]
    """Each trial's mean score with each seed."""
    diverged: tuple[int, ...]
    """Trials whose loss was not finite with some seed; they cannot win."""
    images: int


@dataclass(frozen=True, slots=True)
class Winner:
    trial: int
    kind: str
    parameters: int
    epochs: int
    """Trained on all training images; the best of them by validation is kept."""
    best_epoch: int
    train_images: int
    searched_on: int
    """Training images of the search."""


@dataclass(frozen=True, slots=True)
class Row:
    """One method on test images: all of them, or the subset of the slow methods."""

    name: str
    settings: dict[str, int | float | str]
    images: int
    psnr: float
    mse: float
    ssim: float | None
    gain: float | None
    """PSNR above that of the noisy input on the same images."""
    advantage: Estimate | None
    """PSNR of the denoiser above this one's, on the same images; None for the denoiser."""

    @property
    def beaten(self) -> bool:
        return self.advantage is None or self.advantage.above_zero


@dataclass(frozen=True, slots=True)
class Group:
    """The denoiser on the test images of one class, folder or file."""

    name: str
    images: int
    psnr: float
    gain: float | None


@dataclass(frozen=True, slots=True)
class Strength:
    """The denoiser on the same test images under more or less noise than it was trained for."""

    noise: str
    psnr: float
    noisy_psnr: float
    gain: float


@dataclass(frozen=True, slots=True)
class TestScores:
    """The one look: everything that the test images say."""

    images: int
    psnr: Estimate
    rows: tuple[Row, ...]
    """The denoiser first; those of the subset last, with a row of the denoiser's own."""
    subset: int
    """Test images of the slow methods, evenly spread; 0 where all were used or none is slow."""
    groups: tuple[Group, ...]
    """The worst first; empty where the data has none."""
    strengths: tuple[Strength, ...]

    @property
    def denoiser(self) -> Row:
        return self.rows[0]

    @property
    def not_beaten(self) -> tuple[str, ...]:
        """Methods that the denoiser is not better than, by the 95% interval."""
        return tuple(row.name for row in self.rows if not row.beaten)


@dataclass(frozen=True, slots=True)
class Finalized:
    study: str
    contest: Selection
    winner: Winner
    tested: TestScores
    looks: tuple[Look, ...]
    verdict: tuple[str, str]
    """Two plain sentences: who won and why, and how good it is."""
    warnings: tuple[str, ...]
