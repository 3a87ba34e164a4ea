"""What a trial was run with."""

import re
import subprocess
from pathlib import Path

from autoencoder_hpo import provenance
from autoencoder_hpo.provenance import git_state, versions


def test_versions_name_what_decides_numbers() -> None:
    assert {"python", "torch", "numpy", "optuna", "autoencoder-hpo"} <= set(versions())
    assert all(versions().values())


def test_the_git_state_is_that_of_the_packages_checkout(monkeypatch, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "provenance.py").write_text("one")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    assert git_state.__wrapped__() is None
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    clean = git_state.__wrapped__()
    assert clean is not None
    assert re.fullmatch(r"[0-9a-f]{12}", clean)
    (package / "provenance.py").write_text("two")
    assert git_state.__wrapped__() == f"{clean}+changes"
