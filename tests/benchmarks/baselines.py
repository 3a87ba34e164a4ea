"""The classical denoisers on Fashion-MNIST, at the noise of docs/results.md.

    python tests/benchmarks/baselines.py [--out FOLDER]

Fitted on all training images but the last 6,000, on which strengths are chosen; scored on the
first 1,000 test images, slow ones on the first 200. `a` is the PSNR of the mean MSE, `b` the mean
PSNR over images, both in dB.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from results import Results, Row, parser
from torch import Generator, Tensor

from autoencoder_hpo.baselines import Baseline, fit_baselines
from autoencoder_hpo.config import GaussianNoise
from autoencoder_hpo.data.corruption import corrupt
from autoencoder_hpo.data.torchvision_sets import read_torchvision
from autoencoder_hpo.training.metrics import mse_per_image, psnr

VALIDATION, TEST, SLOW_TEST = 6_000, 1_000, 200
SIGMAS = (0.2, 0.5)


def score(baseline: Baseline, clean: Tensor, noisy: Tensor) -> Row:
    number = SLOW_TEST if baseline.slow else TEST
    began = time.perf_counter()
    restored = baseline.restore(noisy[:number])
    seconds = time.perf_counter() - began
    mse_N = mse_per_image(restored, clean[:number])
    return {
        "method": baseline.name,
        "images": number,
        "a, dB": round(float(psnr(mse_N.mean())), 2),
        "b, dB": round(float(psnr(mse_N).mean()), 2),
        "ms an image": round(1000 * seconds / number, 1),
        "settings": ", ".join(f"{name} {value}" for name, value in baseline.settings.items()),
    }


def main() -> None:
    results = Results("baselines", parser(__doc__).parse_args().out)
    source = read_torchvision("fashion_mnist", root=None, datasets=Path("datasets"))
    assert source.official_test is not None
    known, test = source.clean.float() / 255, source.official_test[:TEST].float() / 255
    train, validation = known[:-VALIDATION], known[-VALIDATION:]
    for sigma in SIGMAS:
        noise = GaussianNoise(kind="gaussian", sigma=sigma)
        baselines = fit_baselines(
            train,
            corruption=noise,
            val_clean=validation,
            val_noisy=corrupt(validation, noise, Generator().manual_seed(1)),
        )
        noisy = corrupt(test, noise, Generator().manual_seed(2))
        for baseline in baselines:
            results.row({"sigma": sigma, **score(baseline, test, noisy)})
    results.save()


if __name__ == "__main__":
    main()
