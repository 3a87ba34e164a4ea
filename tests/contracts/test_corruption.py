"""What every kind of corruption must keep to, so that all that takes one can rely on it.

A kind that joins the union `Corruption` is tested here with values found by its fields' bounds.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from baselines.examples import noisy, photographs
from corruptions import (
    KINDS,
    each_corruption,
    each_kind,
    inner,
    make,
    middle,
    name_of,
    numbers,
    searched,
)
from denoise.examples import fresh
from diagnosis.made_up import facts, falling, history, trial
from jsonschema import Draft202012Validator
from support import merged, study_file, study_text
from torch import Generator, Tensor
from training.examples import images as blobs

import autoencoder_hpo
from autoencoder_hpo.baselines import affine_record, fit_baselines
from autoencoder_hpo.baselines.affine import moments
from autoencoder_hpo.baselines.expected import LEAST, Unbias, expected
from autoencoder_hpo.bundle.config import config_text, parse_config
from autoencoder_hpo.config import Corruption, CorruptionBase, GaussianNoise, Task, TrialConfig
from autoencoder_hpo.data.corruption import corrupt, validation_noise
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.denoise.noise import noise_remark
from autoencoder_hpo.denoise.value_range import find_span
from autoencoder_hpo.diagnosis.trials import of_trial
from autoencoder_hpo.finalize.images import HeldOutImages, held_out_noise, is_corrupted
from autoencoder_hpo.finalize.testing import NOISE_FACTORS, BaselineScores, look, measure
from autoencoder_hpo.space import FixedSuggester, fill
from autoencoder_hpo.study import parse_study
from autoencoder_hpo.study.schema import json_schema
from autoencoder_hpo.study.yamlfile import parse_yaml
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.prepared import prepare

CPU = torch.device("cpu")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
DRAWS = 40_000
LEVELS = torch.cat([torch.tensor([0.0, 1.0]), torch.rand(19, generator=Generator().manual_seed(7))])
"""Of clean pixels: the ends, and some that no step of a corruption is likely to begin at."""
EDGES = [  # where a formula of the expected value has an edge
    {"kind": "gaussian", "sigma": 2.0},
    {"kind": "poisson", "peak": 0.4},
    {"kind": "poisson", "peak": 3.7},
]
MODEL = {"kind": "mlp", "depth": 1, "width": 8, "latent": 4}
NOTHING = 1e-7
"""What rounding may add to a float32 pixel."""


@pytest.fixture
def config(request: pytest.FixtureRequest) -> Any:
    """Made while the test runs: a kind that cannot be made fails its own tests."""
    kind, values = request.param
    return make(kind, values)


@cache
def photos() -> Tensor:
    """Real images, [400, 1, 8, 8]: of the digits' 17 levels some noise would take no notice."""
    return photographs(400, size=(8, 8), grey=True)


def damage(config: Corruption) -> float:
    """Root mean square of what becomes of a pixel."""
    return float((noisy(photos(), config) - photos()).square().mean().sqrt())


def by_strength(kind: type[CorruptionBase]) -> list[Any]:
    return sorted(
        (make(kind, values) for values in inner(kind)), key=lambda config: config.strength
    )


def task_of(config: Corruption) -> Task:
    given = {"data": {"dataset": "digits"}, "corruption": config.model_dump(), "epochs": 1}
    return Task.model_validate(given)


# ---- that it answers -------------------------------------------------------------------


@pytest.mark.parametrize("member", sorted(CorruptionBase.__abstractmethods__))
def test_a_kind_that_forgets_to_answer_cannot_be_made(member: str) -> None:
    asked = {member: vars(CorruptionBase)[member], "__module__": __name__}
    forgetful = type(GaussianNoise)("Forgetful", (GaussianNoise,), asked)
    for make_one in (forgetful, lambda **given: forgetful.model_validate(given)):
        with pytest.raises(TypeError, match=f"abstract method '?{member}"):
            make_one(kind="gaussian", sigma=0.1)


@each_kind
def test_it_answers_every_question(kind: type[CorruptionBase]) -> None:
    assert sorted(kind.__abstractmethods__) == []


def test_these_are_the_questions() -> None:
    assert CorruptionBase.__abstractmethods__ == {
        "words", "strength", "times", "invertible", "additive_sigma"
    }  # fmt: skip


def test_only_two_modules_know_a_kind_by_name() -> None:
    """Both by a match that mypy holds to be complete."""
    package = Path(autoencoder_hpo.__file__).parent
    names = re.compile("|".join(rf"\b{kind.__name__}\b" for kind in KINDS))
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if names.search(path.read_text())
    }
    assert {each for each in found if not each.startswith("config")} == {
        "data/corruption.py", "baselines/expected.py"
    }  # fmt: skip


# ---- what it does to images ------------------------------------------------------------


@each_corruption(*EDGES)
@pytest.mark.parametrize("device", DEVICES)
def test_it_damages_a_copy_of_the_images(config: Corruption, device: str) -> None:
    clean = torch.rand(20, 3, 16, 16, generator=Generator().manual_seed(1)).to(device)
    before = clean.clone()
    given = corrupt(clean, config, Generator(device).manual_seed(2))
    assert torch.equal(clean, before)
    assert (given.shape, given.dtype, given.device) == (clean.shape, clean.dtype, clean.device)
    assert given.isfinite().all()
    assert torch.equal(given, clean) != config.damages
    assert not config.bounded or 0 <= float(given.min()) <= float(given.max()) <= 1


@each_corruption(clip=(True,))
def test_all_chance_comes_from_the_generator(config: Corruption) -> None:
    generator, clean = (
        Generator().manual_seed(3),
        torch.rand(300, generator=Generator().manual_seed(1)),
    )
    torch.manual_seed(1)
    first, second = (corrupt(clean, config, generator) for _ in range(2))
    torch.manual_seed(2)
    again = corrupt(clean, config, Generator().manual_seed(3))
    mean, square = expected(clean, config)
    varies = bool((square - mean.square() > NOTHING).any())
    assert torch.equal(first, again)
    assert torch.equal(first, second) != varies
    assert torch.equal(first, corrupt(clean, config, Generator().manual_seed(4))) != varies


@each_corruption(clip=(True,))
def test_clipped_is_as_unclipped_but_for_the_clipping(config: Corruption) -> None:
    wide = torch.linspace(-1, 3, 4000)
    clipped, unclipped = (
        noisy(wide, config.model_copy(update={"clip": clip})) for clip in (True, False)
    )
    if config.damages:
        assert torch.equal(clipped, unclipped.clamp(0, 1))
    else:
        assert torch.equal(clipped, wide)


@each_kind
def test_unless_told_so_it_does_not_clip(kind: type[CorruptionBase]) -> None:
    wide = noisy(torch.linspace(-1, 3, 4000), middle(kind, clip=False))
    assert wide.max() > 1


@each_corruption()
def test_any_shape_will_do_and_a_pixel_knows_nothing_of_the_others(config: Corruption) -> None:
    """`expected`, and with it the affine filter, take pixels one by one."""
    around = torch.full((2, DRAWS // 5, 1, 5, 5), 0.0)
    around[1] = 1.0
    around[:, :, :, 2, 2] = 0.6
    given = noisy(around, config).double()
    dark, bright = given[:, :, 0, 2, 2]
    assert_same_mean(dark, bright)
    assert_same_mean(dark.square(), bright.square())
    grey = noisy(torch.full((DRAWS // 5, 5, 5), 0.6), config).double().flatten(1)
    deviation = (grey - grey.mean(0)) / grey.std(0).clamp(min=NOTHING)
    correlation = deviation.T @ deviation / len(deviation)
    correlation.fill_diagonal_(0)
    assert correlation.abs().max() < 5.5 / len(grey) ** 0.5


def assert_same_mean(one: Tensor, other: Tensor) -> None:
    within = 5 * (one.var() / len(one) + other.var() / len(other)).sqrt() + NOTHING
    assert (one.mean() - other.mean()).abs() <= within


# ---- how much --------------------------------------------------------------------------


@each_kind
def test_more_strength_is_more_damage_and_other_words(kind: type[CorruptionBase]) -> None:
    rising = by_strength(kind)
    done = [damage(config) for config in rising]
    words = [config.words for config in rising]
    assert all(words)
    assert len(set(words)) == len(rising)
    assert done == sorted(set(done))
    assert all(
        (config.strength > 0) == (found > 0) for config, found in zip(rising, done, strict=True)
    )


@each_kind
def test_times_as_strong(kind: type[CorruptionBase]) -> None:
    """None at one factor is none at any: there are no other strengths of it."""
    for config in by_strength(kind):
        factors = (*NOISE_FACTORS, 1.0)
        found = {factor: config.times(factor) for factor in sorted(factors)}
        if not all(found.values()):
            assert set(found.values()) == {None}
            continue
        assert config.damages
        assert found[1.0] == config
        done = [damage(each) for each in found.values() if each]
        assert done == sorted(set(done))
        for factor, other in found.items():
            assert other is not None
            assert type(other) is kind
            times = other.strength / config.strength
            assert times == pytest.approx(factor, rel=0.2)  # whole numbers cannot be halved
    if not numbers(kind):
        assert middle(kind).times(2.0) is None


@each_corruption(clip=(False,))
def test_noise_that_is_the_same_at_every_pixel_says_so(config: Corruption) -> None:
    noise = noisy(LEVELS.expand(DRAWS, -1), config) - LEVELS
    sigma, within = float(noise.std(0).mean()), 5 / DRAWS**0.5
    alike = (noise.std(0) - sigma).abs().max() <= within * sigma
    central = noise.mean(0).abs().max() <= within * sigma
    if config.additive_sigma is None:
        assert not (alike and central and sigma > NOTHING)
    else:
        assert alike
        assert central
        assert config.additive_sigma == pytest.approx(sigma, rel=within)


# ---- what it does on average -----------------------------------------------------------


@each_corruption(*EDGES)
def test_the_expected_value_and_square_are_those_of_many_draws(config: Corruption) -> None:
    drawn = noisy(LEVELS.expand(DRAWS, -1), config).double()
    mean, square = expected(LEVELS, config)
    within = 5 / DRAWS**0.5
    assert ((drawn.mean(0) - mean).abs() <= within * drawn.std(0) + 1e-6).all()
    assert ((drawn.square().mean(0) - square).abs() <= within * drawn.square().std(0) + 1e-6).all()


@each_corruption(*EDGES)
def test_it_is_invertible_or_says_that_it_is_not(config: Corruption) -> None:
    mean, _ = expected(torch.linspace(0, 1, 4097, dtype=torch.float64), config)
    assert config.invertible == bool((mean.diff() > 0).all())
    assert config.invertible or Unbias.of(config) is None


@each_corruption(*EDGES)
def test_the_bias_is_undone_or_nothing_is(config: Corruption) -> None:
    unbias = Unbias.of(config)
    mean, _ = expected(LEVELS, config)
    if unbias is None:
        black, white = expected(torch.tensor([0.0, 1.0]), config)[0]
        biased = float((mean - LEVELS).abs().max()) > LEAST
        assert not biased or not config.invertible or white - black <= LEAST
        return
    assert (unbias.expected.diff() > 0).all()
    assert torch.allclose(unbias(mean), LEVELS.double(), atol=1e-4)
    drawn = noisy(LEVELS.expand(DRAWS, -1), config).double()
    steep = float(unbias.expected.diff().min()) * (len(unbias.expected) - 1)
    close = 5 * float(drawn.std(0).max()) / DRAWS**0.5 / steep
    assert (unbias(drawn.mean(0)) - LEVELS).abs().max() < close


# ---- who takes it ----------------------------------------------------------------------


@each_kind
def test_the_affine_filter_needs_no_draws_of_it(kind: type[CorruptionBase]) -> None:
    """On the images that it was made for it is no worse than one of draws, or than no filter."""
    clean = photos()[::2]
    for config in by_strength(kind):
        told = moments(clean, noisy_NCHW=None, corruption=config).solve(0.0)
        drawn = moments(clean, noisy_NCHW=noisy(clean, config, seed=3), corruption=None).solve(0.0)
        given = noisy(clean, config, seed=2)
        left, *others = (
            float((restored - clean).square().mean())
            for restored in (told(given), drawn(given), given)
        )
        assert left < 1.01 * min(others) + NOTHING


@each_kind
def test_all_baselines_take_it(kind: type[CorruptionBase], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoencoder_hpo.baselines.fit.QUICK_VALUES", 2**9)
    monkeypatch.setattr("autoencoder_hpo.baselines.tuning.FEWEST", 2)
    config, train, val = middle(kind), photos()[:40], photos()[40:60]
    given = noisy(val, config, seed=2)
    _, *others = fit_baselines(train, corruption=config, val_clean=val, val_noisy=given)
    assert bool(others) == config.damages
    for restored in (baseline.restore(given) for baseline in others):
        assert 0 <= float(restored.min()) <= float(restored.max()) <= 1


@each_kind
def test_a_study_knows_the_affine_filter_where_there_is_noise(kind: type[CorruptionBase]) -> None:
    config = middle(kind)
    prepared = prepare(ImageSet(photos()[::2]), ImageSet(photos()[1::2]), task_of(config), CPU)
    record = affine_record([prepared], config)
    assert (record is None) != config.damages
    json.dumps(record and record.as_record())


@each_kind
def test_a_trial_trains_with_it(kind: type[CorruptionBase]) -> None:
    config = middle(kind)
    task = task_of(config)
    prepared = prepare(ImageSet(blobs(64, 1)), ImageSet(blobs(32, 2)), task, CPU)
    assert torch.equal(prepared.val_noisy, validation_noise(prepared.val_clean, task))
    for own in (None, config):
        chosen = TrialConfig.model_validate({"model": MODEL, "corruption": own})
        (result,) = Training(task, chosen, prepared, seed=1)
        assert result.finite


@each_kind
def test_finalize_measures_it_at_other_strengths(kind: type[CorruptionBase]) -> None:
    config = middle(kind)
    task = task_of(config)
    given = held_out_noise(photos(), task, config)
    test = HeldOutImages(photos(), given, torch.arange(len(given)), None)
    other = BaselineScores("noisy input", {}, False, measure(given, photos()))
    tested = look(lambda images: images, test, [other], task, slow_images=400)
    assert is_corrupted(task) == config.damages == (tested.denoiser.gain is not None)
    if config.times(2.0) is None:
        assert tested.strengths == ()
        return
    before = [each.noisy_psnr for each in tested.strengths]
    assert before == sorted(set(before), reverse=True)
    assert before[0] > tested.denoiser.psnr > before[-1]
    assert len({config.words, *(each.noise for each in tested.strengths)}) == 1 + len(NOISE_FACTORS)


@each_kind
def test_the_diagnosis_tells_other_training_noise(kind: type[CorruptionBase]) -> None:
    config = middle(kind)

    def said(own: Corruption) -> list[str]:
        found = of_trial(trial(history(falling(0.06, 0.0105)), corruption=own.model_dump()),
                         facts(task={"corruption": config.model_dump()}))  # fmt: skip
        return [each.seen for each in found if each.kind == "noise-mismatch"]

    assert said(config) == []
    for other in KINDS:
        if other is not kind:
            assert len(said(middle(other))) == config.damages
    far, near = config.times(3.0), config.times(1.2)
    if far is not None and near is not None:
        (seen,) = said(far)
        assert far.words in seen
        assert config.words in seen
        assert said(near) == []


@each_kind
def test_denoise_remarks_on_other_noise_where_one_image_shows_it(
    kind: type[CorruptionBase],
) -> None:
    config = middle(kind)
    image = photographs(1, size=(200, 200), grey=True)[0]
    given = [image, noisy(image, config, seed=4)]
    if config.damages:
        given.append(noisy(image, config.times(3.0) or config))
    said = [str(noise_remark(each.numpy(), config)).partition(" than")[0] for each in given]
    if config.additive_sigma is None:
        assert set(said) == {"None"}
    else:
        assert said == ["much less noisy", "None", "much noisier"]


@each_corruption()
def test_what_is_restored_is_clipped_as_it_was_in_training(config: Corruption) -> None:
    trained = fresh().config.model_copy(update={"task": task_of(config)})
    span, remark = find_span(trained, photos()[0].numpy())
    assert remark is None
    assert span.clip == (config.clip or not config.damages)


# ---- how it is written down ------------------------------------------------------------


@each_corruption()
def test_it_is_the_same_after_a_study_file_a_record_and_a_bundle(config: Corruption) -> None:
    dump = config.model_dump(mode="json")
    text = study_text(task={"corruption": dump}, trial={"corruption": dump})
    study = parse_study(text, where="tiny.yaml", base="/").study
    filled = TrialConfig.model_validate(fill(study.space, FixedSuggester({})).config)
    record = json.loads(json.dumps(filled.model_dump(mode="json")))
    found = [
        study.task.corruption,
        filled.corruption,
        TrialConfig.model_validate(record).corruption,
    ]
    bundle = fresh().config.model_copy(update={"task": study.task, "config": filled})
    read = parse_config(config_text(bundle).encode(), Path("config.json"))
    found += [read.task.corruption, read.config.corruption]
    assert found == [config] * 5
    assert validator().is_valid(parse_yaml(text, "tiny.yaml").tree)


@each_kind
def test_every_number_of_it_may_be_searched(kind: type[CorruptionBase]) -> None:
    dump = middle(kind).model_dump(mode="json")
    for name in numbers(kind):
        hole = searched(kind, name)
        changes = {"trial": {"corruption": {**dump, name: hole}}}
        study = study_file(**changes).study
        for value in next(iter(hole.values())):
            at = FixedSuggester({f"corruption.{name_of(kind)}.{name}": value})
            found = TrialConfig.model_validate(fill(study.space, at).config)
            assert found.corruption == make(kind, {**dump, name: value})
        tree = parse_yaml(study_text(**changes), "tiny.yaml").tree
        assert validator().is_valid(tree)
        misspelt = merged(tree, {"trial": {"corruption": {**dump, f"{name}x": hole}}})
        assert not validator().is_valid(misspelt)


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())
