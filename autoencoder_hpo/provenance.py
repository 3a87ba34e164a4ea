"""What a trial was run with: versions and the state of the code."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("autoencoder-hpo", "torch", "torchvision", "numpy", "optuna")


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a checkout that was never installed
            found[package] = "unknown"
    return found


@cache
def git_state() -> str | None:
    """The commit of this package's checkout, and whether it was edited; None: no checkout."""
    folder = Path(__file__).parent
    commit = _git("rev-parse", "--short=12", "HEAD", folder=folder)
    if commit is None or _git("ls-files", __file__, folder=folder) == "":
        return None
    return commit + ("+changes" if _git("status", "--porcelain", "--", ".", folder=folder) else "")


@cache
def cpu_name() -> str:
    """The processor's model: another one may round differently."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _git(*words: str, folder: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
