"""How good a restoration is: MSE, PSNR, SSIM and BCE, for pixels in [0, 1].

`val_mse` is the mean over all pixels; `val_psnr` is the mean over images of each image's PSNR,
which is what the denoising literature reports. The PSNR of the mean MSE is lower, because the
worst images weigh more in it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import EVERY_SCORE_HAS, Scores

BEST_PSNR = 100.0  # dB; an image restored without any error would be infinite


def mse_per_image(restored_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """Mean squared error of each image: [N]."""
    return (restored_NCHW.float() - clean_NCHW).square().flatten(1).mean(1)


def psnr(mse_N: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, peak 1: 10·log10(1 / MSE), at most `BEST_PSNR`."""
    return -10 * torch.log10(mse_N.clamp(min=10 ** (-BEST_PSNR / 10)))


def per_image(metric: Metric, restored_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """The metric of each image: [N]; the mean of these is the metric itself.

    Raises:
        ValueError: images of this size have no such score (`Metric.refuses_shape`).
    """
    match metric:
        case Metric.VAL_MSE:
            return mse_per_image(restored_NCHW, clean_NCHW).double()
        case Metric.VAL_PSNR:
            return psnr(mse_per_image(restored_NCHW, clean_NCHW).double())
        case Metric.VAL_SSIM:
            return ssim_per_image(restored_NCHW, clean_NCHW)
        case Metric.VAL_BCE:
            return bce_per_image(restored_NCHW, clean_NCHW)
        case _:
            assert_never(metric)


def bce_per_image(restored_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """Mean binary cross-entropy of each image's pixels, in nats: [N].

    As torch's, with logarithms of at least -100; that one ends a CUDA process where a pixel is NaN.
    """
    restored, clean = restored_NCHW.float(), clean_NCHW
    bright = clean * restored.log().clamp(min=-100)
    dark = (1 - clean) * (-restored).log1p().clamp(min=-100)
    return -(bright + dark).flatten(1).mean(1)


def ssim_per_image(restored_NCHW: Tensor, clean_NCHW: Tensor) -> Tensor:
    """The structural similarity of each image, which `ssim` is the mean of: [N].

    Every epoch may need it, so that it is computed where the images lie. As scikit-image does:
    uniform windows inside the image, sample covariances, constants of a range of 1.

    Raises:
        ValueError: the images have a side below 3.
    """
    window = _window(clean_NCHW)
    if window is None:
        raise ValueError(f"images of {tuple(clean_NCHW.shape[-2:])} pixels have no structure")

    def mean(images_NCHW: Tensor) -> Tensor:
        return avg_pool2d(images_NCHW, window, stride=1)

    level = clean_NCHW.mean((2, 3), keepdim=True)  # less is lost where a bright image is flat
    one, other = restored_NCHW.float() - level, clean_NCHW - level
    ux, uy = mean(one), mean(other)
    sample = window**2 / (window**2 - 1)
    vx, vy = sample * (mean(one * one) - ux * ux), sample * (mean(other * other) - uy * uy)
    vxy = sample * (mean(one * other) - ux * uy)
    ux, uy, c1, c2 = ux + level, uy + level, 0.01**2, 0.03**2
    above = (2 * ux * uy + c1) * (2 * vxy + c2)
    return (above / ((ux * ux + uy * uy + c1) * (vx + vy + c2))).flatten(1).mean(1)


def _window(images_NCHW: Tensor) -> int | None:
    """Side of the windows of a structural similarity: odd, at most 7; None below 3."""
    side = min(images_NCHW.shape[-2:])
    window = min(7, side if side % 2 else side - 1)
    return window if window >= 3 else None


def psnr_of_groups(mse_N: Tensor, names: Sequence[str] | None) -> dict[str, float] | None:
    """The mean PSNR of the images of each name, in dB; None where they have none."""
    if names is None:
        return None
    values: dict[str, list[float]] = defaultdict(list)
    for name, value in zip(names, psnr(mse_N).tolist(), strict=True):
        values[name].append(value)
    return {name: round(math.fsum(of) / len(of), 3) for name, of in sorted(values.items())}


def ssim(restored_NCHW: Tensor, clean_NCHW: Tensor) -> float | None:
    """Mean structural similarity (Wang et al., 2004), uniform window of up to 7 pixels.

    None for feature vectors and images too small to have structure.
    """
    from skimage.metrics import structural_similarity  # slow to import, needed once a trial

    window = _window(restored_NCHW)
    if window is None:
        return None
    similarity: Callable[..., float] = structural_similarity  # which has no types
    # skimage takes the mean over channels: every image is one.
    score = similarity(
        restored_NCHW.flatten(0, 1).float().numpy(),
        clean_NCHW.flatten(0, 1).numpy(),
        channel_axis=0,
        win_size=window,
        data_range=1.0,
    )
    return float(score)


def score(
    restored_NCHW: Tensor,
    noisy_NCHW: Tensor,
    clean_NCHW: Tensor,
    metric: Metric = Metric.VAL_MSE,
) -> Scores:
    """All scores of restored images, this one among them; everything on the CPU.

    Where the noisy input is the clean image, its scores and the gain are None.
    """
    mse_N = mse_per_image(restored_NCHW, clean_NCHW)
    noisy_N = mse_per_image(noisy_NCHW, clean_NCHW)
    val_psnr = float(psnr(mse_N).mean())
    corrupted = bool(noisy_N.max() > 0)
    noisy_psnr = float(psnr(noisy_N).mean()) if corrupted else None
    also = {}
    if metric.value not in EVERY_SCORE_HAS:
        also[metric.value] = float(per_image(metric, restored_NCHW, clean_NCHW).mean())
    return Scores(
        val_mse=float(mse_N.mean()),
        val_psnr=val_psnr,
        val_ssim=ssim(restored_NCHW, clean_NCHW),
        noisy_mse=float(noisy_N.mean()) if corrupted else None,
        noisy_psnr=noisy_psnr,
        noisy_ssim=ssim(noisy_NCHW, clean_NCHW) if corrupted else None,
        psnr_gain=None if noisy_psnr is None else val_psnr - noisy_psnr,
        also=also,
    )


def noisy_scores(prepared: Sequence[DeviceData]) -> Scores:
    """What leaving the validation images as they are scores; the mean over folds."""
    pairs = [(fold.val_noisy.cpu(), fold.val_clean.cpu()) for fold in prepared]
    return mean_scores([score(noisy, noisy, clean) for noisy, clean in pairs])


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean over folds; None where any fold has none."""
    columns = {name: [getattr(s, name) for s in scores] for name in EVERY_SCORE_HAS}
    also = {name: math.fsum(s.also[name] for s in scores) / len(scores) for name in scores[0].also}
    means = {
        name: None if None in values else math.fsum(values) / len(values)
        for name, values in columns.items()
    }
    return Scores(**means, also=also)  # type: ignore[arg-type]
