"""The table: planted denoisers that win, tie or lose are reported as such."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from autoencoder_hpo.config import Corruption, Task
from autoencoder_hpo.finalize import results
from autoencoder_hpo.finalize.comparison import Estimate, Verdict
from autoencoder_hpo.finalize.images import HeldOutImages, held_out_noise
from autoencoder_hpo.finalize.results import Selection
from autoencoder_hpo.finalize.testing import (
    BaselineScores,
    look,
    measure,
    spread_of,
)
from autoencoder_hpo.finalize.wording import best_baseline, warnings

IMAGES = 60
CONTEST = Selection(Verdict(0, 0, (), "planted"), {}, (), 10)


def task(kind: str = "gaussian", **noise: float) -> Task:
    corruption = {"kind": kind, **(noise or {"sigma": 0.2})}
    return Task.model_validate(
        {"data": {"dataset": "digits"}, "corruption": corruption, "epochs": 1}
    )


def images(own: Task | None = None, *, names: tuple[str, ...] | None = None) -> HeldOutImages:
    own = own or task()
    clean = torch.rand(IMAGES, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert own.corruption is not None
    noisy = held_out_noise(clean, own, own.corruption)
    return HeldOutImages(clean, noisy, torch.arange(IMAGES), names)


def towards(clean: Tensor, share: float) -> Callable[[Tensor], Tensor]:
    """Takes away this share of the noise."""
    return lambda noisy: noisy + share * (clean - noisy) if len(noisy) == len(clean) else noisy


def baseline(
    name: str, test: HeldOutImages, share: float, *, slow: bool = False, number: int = IMAGES
) -> BaselineScores:
    part = spread_of(test, number) if slow else test
    return BaselineScores(
        name, {}, slow, measure(towards(part.clean, share)(part.noisy), part.clean)
    )


def looked(ours: float, filter_: float) -> results.TestScores:
    test = images()
    rows = [baseline("noisy input", test, 0.0), baseline("affine filter", test, filter_)]
    return look(towards(test.clean, ours), test, rows, task(), slow_images=IMAGES)


def test_a_denoiser_that_beats_everything() -> None:
    tested = looked(0.6, 0.3)
    assert tested.not_beaten == ()
    assert warnings(tested, CONTEST, 1) == ()
    denoiser, noisy, affine = tested.rows
    assert denoiser.gain == pytest.approx(denoiser.psnr - noisy.psnr)
    assert denoiser.gain == pytest.approx(-20 * np.log10(0.4), abs=1e-3)
    assert affine.advantage is not None
    assert affine.advantage.mean == pytest.approx(denoiser.psnr - affine.psnr)
    assert tested.psnr.mean == pytest.approx(denoiser.psnr)


def test_a_denoiser_worse_than_the_affine_filter_is_said_to_be() -> None:
    tested = looked(0.3, 0.6)
    assert tested.not_beaten == ("affine filter",)
    (said,) = warnings(tested, CONTEST, 1)
    assert "is worse than the affine filter" in said
    assert "use that instead" in said
    best = best_baseline(tested)
    assert best is not None
    assert best.name == "affine filter"


@pytest.mark.parametrize(
    ("name", "said_so"), [("median filter", "the median filter"), ("BM3D", "BM3D")]
)
def test_a_tie_with_a_baseline_is_said_to_be_one(name: str, said_so: str) -> None:
    """Half of the images each is restored better."""
    test = images()
    ours = test.noisy.clone()
    ours[::2] = towards(test.clean, 0.5)(test.noisy)[::2]
    theirs = test.noisy.clone()
    theirs[1::2] = towards(test.clean, 0.5)(test.noisy)[1::2]
    other = BaselineScores(name, {}, False, measure(theirs, test.clean))
    tested = look(
        lambda noisy: ours if noisy is test.noisy else noisy,
        test, [other], task(), slow_images=IMAGES,
    )  # fmt: skip
    (said,) = warnings(tested, CONTEST, 1)
    assert said.startswith(f"the denoiser does not beat {said_so} (")
    assert "no difference" in said


def test_slow_baselines_have_rows_of_their_own_images() -> None:
    test = images()
    slow = baseline("non-local means", test, 0.3, slow=True, number=20)
    quick = baseline("noisy input", test, 0.0)
    part = spread_of(test, 20)
    restore = {IMAGES: towards(test.clean, 0.6), 20: towards(part.clean, 0.6)}
    tested = look(
        lambda noisy: restore[len(noisy)](noisy), test, [quick, slow], task(), slow_images=20
    )
    found = [(row.name, row.images) for row in tested.rows]
    assert found == [
        ("denoiser", 60), ("noisy input", 60), ("denoiser", 20), ("non-local means", 20)
    ]  # fmt: skip
    assert tested.subset == 20
    assert tested.rows[3].advantage is not None
    assert tested.rows[3].advantage.mean == pytest.approx(tested.rows[2].psnr - tested.rows[3].psnr)


def test_the_worst_group_comes_first() -> None:
    names = tuple("cat" if place % 3 else "dog" for place in range(IMAGES))
    test = images(names=names)

    def restore(noisy: Tensor) -> Tensor:
        better = towards(test.clean, 0.6)(noisy)
        better[::3] = noisy[::3]
        return better

    tested = look(restore, test, [], task(), slow_images=IMAGES)
    assert [(group.name, group.images) for group in tested.groups] == [("dog", 20), ("cat", 40)]
    assert tested.groups[0].gain == pytest.approx(0, abs=1e-6)
    assert tested.groups[1].gain == pytest.approx(-20 * np.log10(0.4), abs=1e-3)


def test_without_noise_there_is_no_gain_and_no_other_strength() -> None:
    own = task()
    own = own.model_copy(
        update={"corruption": TypeAdapter(Corruption).validate_python({"kind": "none"})}
    )
    test = images(own)
    tested = look(lambda noisy: noisy * 0.9, test, [], own, slow_images=IMAGES)
    assert tested.denoiser.gain is None
    assert tested.strengths == ()


def test_one_file_is_no_proof() -> None:
    test = images()
    one = HeldOutImages(test.clean, test.noisy, torch.zeros(IMAGES, dtype=torch.int64), None)
    rows = [baseline("noisy input", test, 0.0)]
    tested = look(towards(test.clean, 0.6), one, rows, task(), slow_images=IMAGES)
    assert tested.psnr == Estimate(tested.psnr.mean, None, None)
    assert tested.not_beaten == ("noisy input",)
    assert any("of one file" in said for said in warnings(tested, CONTEST, 1))
