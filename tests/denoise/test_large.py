"""Memory stays bounded, measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from denoise.examples import fresh, written
from PIL import Image

# Linux hands the peak of a process's parent down to it in getrusage, but not in VmHWM.
MEASURED = """
import pathlib, re, resource, sys
sys.argv = ["autoencoder-hpo", "denoise", *sys.argv[1:]]
from autoencoder_hpo.cli import main
try:
    main()
finally:
    status = pathlib.Path("/proc/self/status")
    own = status.exists() and re.search(r"VmHWM:\\s+(\\d+)", status.read_text())
    print(own[1] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mib(*words: object) -> float:
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, words)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout.split()[-1]) / 1024


def test_an_image_of_twelve_megapixels_takes_less_than_two_gibibytes(tmp_path: Path) -> None:
    """With scores, too. More channels make tiles smaller, not the peak higher."""
    denoiser = fresh("unet", shape=(3, 32, 32), depth=1, channels=2)
    bundle = written(denoiser, tmp_path / "rgb.denoiser")
    ramp = np.add.outer(np.arange(3000), np.arange(4000)).astype(np.uint16)
    large = Image.fromarray(np.stack([ramp >> 5, ramp >> 6, ramp >> 7], -1).astype(np.uint8))
    for name in ("noisy.png", "clean/noisy.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        large.save(tmp_path / name, compress_level=1)
    words = (tmp_path / "noisy.png", tmp_path / "out", "--clean", tmp_path / "clean")
    assert peak_mib(bundle, *words) < 2048
    with Image.open(tmp_path / "out" / "noisy.png") as restored:
        assert restored.size == (4000, 3000)


def test_more_channels_take_no_more_memory(tmp_path: Path) -> None:
    image = tmp_path / "noisy.npy"
    np.save(image, np.random.default_rng(0).random((900, 900), np.float32))
    peaks = []
    for channels in (4, 48):
        denoiser = fresh("unet", depth=1, channels=channels)
        bundle = written(denoiser, tmp_path / f"{channels}.denoiser")
        peaks.append(peak_mib(bundle, image, tmp_path / str(channels)))
    assert max(peaks) < 1536
