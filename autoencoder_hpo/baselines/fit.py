"""Baselines for a task's noise, ready to restore images."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass

from torch import Tensor

from autoencoder_hpo.baselines.affine import moments
from autoencoder_hpo.baselines.expected import Unbias
from autoencoder_hpo.baselines.filters import AsItIs
from autoencoder_hpo.baselines.tuning import Filter, Method, Sample, Tried, best_of, methods
from autoencoder_hpo.config import Corruption

NOISY, AFFINE = "noisy input", "affine filter"

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
"""Shares of the mean variance of a noisy pixel; see `affine.Moments.solve`."""
AFFINE_VALUES, QUICK_VALUES, BM3D_VALUES = 2**20, 2**16, 2**14
"""Values (C·H·W each image) of the validation images that settings are chosen on."""
SIDE, BM3D_SIDE = 128, 64
"""Pixels of larger validation images that classical filters are tuned on, each way."""

Settings = dict[str, float | str]


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A denoiser that nobody trained."""

    name: str
    settings: Settings
    """What it does, as chosen on validation images; strengths are in pixel units of [0, 1]."""
    slow: bool
    """Fractions of a second for a small image: run it on some images only."""
    filter: Filter
    unbias: Unbias | None = None
    clamped: bool = True
    """The noisy input is left as it is: unclipped noise counts in full."""

    def restore(self, noisy_NCHW: Tensor) -> Tensor:
        """Float32 on the CPU, in [0, 1]; the same for the same images.

        Raises:
            ValueError: the affine filter maps whole images, and these have another size.
        """
        restored = self.filter(noisy_NCHW.detach().cpu().float())
        if self.unbias is not None:
            restored = self.unbias(restored)
        return restored.clamp(0, 1) if self.clamped else restored


def fit_baselines(
    train_clean: Tensor,
    *,
    corruption: Corruption | None,
    val_clean: Tensor,
    val_noisy: Tensor,
    train_noisy: Tensor | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Baseline]:
    """All baselines, with the settings that restore validation images best (mean PSNR).

    Only the noisy input where nothing was corrupted; BM3D only where it is installed and the
    images have 16 pixels each way. Everything is float32 [N,C,H,W] on the CPU.

    Args:
        corruption: None for pairs, which bring `train_noisy`.
        progress: told the name of a baseline before work on it begins.
    """
    baselines = [Baseline(NOISY, {}, False, AsItIs(), clamped=False)]
    noise = float((val_noisy - val_clean).double().square().mean().sqrt())
    if noise == 0:
        return baselines
    progress(AFFINE)
    baselines.append(
        fit_affine(
            train_clean,
            corruption=corruption,
            val_clean=val_clean,
            val_noisy=val_noisy,
            train_noisy=train_noisy,
        )
    )
    unbias = Unbias.of(corruption)
    for method in methods(noise, smallest_side=min(val_clean.shape[-2:])):
        progress(method.name)
        baselines.append(_tuned(method, val_noisy, val_clean, unbias))
    return baselines


def fit_affine(
    train_clean: Tensor,
    *,
    corruption: Corruption | None,
    val_clean: Tensor,
    val_noisy: Tensor,
    train_noisy: Tensor | None = None,
) -> Baseline:
    """The best affine filter: see `affine`."""
    found = moments(train_clean, noisy_NCHW=train_noisy, corruption=corruption)
    side = max(val_clean.shape[-2:])
    sample = Sample.of(val_noisy, val_clean, values=AFFINE_VALUES, side=side)
    by_ridge = {ridge: found.solve(ridge) for ridge in RIDGES}
    chosen = best_of(by_ridge.values(), sample, None).filter
    rows, columns = found.window or (0, 0)
    settings: Settings = {
        "sees": "the whole image" if found.window is None else f"{rows}×{columns} pixels",
        "training images": found.images,
        "ridge": next(ridge for ridge, filter in by_ridge.items() if filter is chosen),
        "chosen on": _number_of(sample),
    }
    return Baseline(AFFINE, settings, False, chosen)


def _tuned(method: Method, val_noisy: Tensor, val_clean: Tensor, unbias: Unbias | None) -> Baseline:
    bm3d = method.name == "BM3D"
    values, side = (BM3D_VALUES, BM3D_SIDE) if bm3d else (QUICK_VALUES, SIDE)
    sample = Sample.of(val_noisy, val_clean, values=values, side=side)
    best = best_of(method.filters, sample, unbias)
    settings = _settings(best, debiasable=unbias is not None) | {"chosen on": _number_of(sample)}
    return Baseline(method.name, settings, method.slow, best.filter, best.unbias)


def _settings(best: Tried, *, debiasable: bool) -> Settings:
    """The filter's fields, and whether its bias is undone where that is known."""
    assert is_dataclass(best.filter)
    assert not isinstance(best.filter, type)
    found: Settings = {name: round(value, 5) for name, value in asdict(best.filter).items()}
    if debiasable:
        found["debiased"] = "no" if best.unbias is None else "yes"
    return found


def _number_of(sample: Sample) -> str:
    number, _, height, width = sample.clean.shape
    return f"{number} validation images, {height}×{width} pixels each"
