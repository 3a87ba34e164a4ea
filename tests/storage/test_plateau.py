"""A search that comes to a standstill, and the patience that ends it."""

import pytest
from support import Create, study_file, trial_of

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.storage.claiming import Claimed, NoTrial, claim, has_work
from autoencoder_hpo.storage.plateau import without_progress
from autoencoder_hpo.storage.status import summary
from autoencoder_hpo.storage.study import StudyHandle, clear_halt

SCORES = ("val_mse", "val_psnr", "val_ssim", "noisy_mse", "noisy_psnr", "psnr_gain")
ENDED = {
    "scores": dict.fromkeys(SCORES, 20.0),
    "parameters": 9,
    "seconds": 1.0,
    "best_epoch": 1,
    "config": {},
}


def test_what_counts_as_progress() -> None:
    assert without_progress([], step=0.05) == 0
    assert without_progress([None, None], step=0.05) == 2
    assert without_progress([20.0, 20.04, None, 19.0], step=0.05) == 3  # 0.04 dB are no progress
    assert without_progress([20.0, 20.04, 20.08], step=0.05) == 0  # but twice as much are


def end(opened: StudyHandle, claimed: Claimed | NoTrial, mse: float) -> None:
    assert isinstance(claimed, Claimed), claimed
    trial = trial_of(opened, claimed)
    for name, value in ENDED.items():
        trial.set_user_attr(name, value)
    opened.optuna.tell(trial, mse)


def test_a_study_ends_when_its_patience_does(create: Create) -> None:
    opened = create(search={"trials": 20, "patience": 3})
    for mse in (0.02, 0.01, 0.01, 0.03):
        end(opened, claim(opened, "a"), mse)
    assert summary(opened).state == "waiting"
    last, beside = claim(opened, "a"), claim(opened, "b")
    end(opened, last, 0.01)
    assert claim(opened, "a") == NoTrial("wait")  # what still runs may be better
    assert has_work(opened)
    assert summary(opened).state == "running"
    end(opened, beside, 0.02)
    nothing = claim(opened, "a")
    assert nothing == NoTrial("plateau")
    assert isinstance(nothing, NoTrial)
    assert nothing.said == "the search makes no progress any more"
    assert not has_work(opened)
    assert summary(opened).state == "plateau"


def test_resume_counts_anew(create: Create) -> None:
    opened = create(search={"trials": 20, "patience": 2})
    for mse in (0.01, 0.02, 0.02):
        end(opened, claim(opened, "a"), mse)
    assert claim(opened, "a") == NoTrial("plateau")
    clear_halt(opened)
    for mse in (0.02, 0.02):
        end(opened, claim(opened, "a"), mse)
    assert claim(opened, "a") == NoTrial("plateau")


def test_a_study_without_patience_goes_on(create: Create) -> None:
    opened = create(search={"trials": 9})
    for _ in range(8):
        end(opened, claim(opened, "a"), 0.01)
    assert has_work(opened)


def test_patience_is_a_whole_number_above_0() -> None:
    with pytest.raises(StudyError, match=r"search\.patience: found 0; must be above 0"):
        study_file(search={"patience": 0})
