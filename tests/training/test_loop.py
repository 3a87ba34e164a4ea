"""The loop: reproducible, stoppable, continued to the identical curve."""

import io
import math
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from support import after
from training.examples import (
    MODELS,
    OPTIMIZERS,
    TASK,
    config,
    images,
    prepared,
    saved_midway,
    stored,
    training,
)

from autoencoder_hpo.config import Task
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.models.layers import Dropout
from autoencoder_hpo.training import loop
from autoencoder_hpo.training.checkpoint import Identity, load_checkpoint, save_checkpoint
from autoencoder_hpo.training.loop import Cancelled, Training, best_of, stalled
from autoencoder_hpo.training.prepared import prepare
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.training.steps import drive


@pytest.mark.parametrize(
    ("model", "optimizer"), list(product(MODELS, OPTIMIZERS)), ids=lambda value: str(value)
)
def test_a_stopped_training_goes_on_to_the_identical_curve(
    model: str, optimizer: str, tmp_path: Path
) -> None:
    trial = config(
        model,
        optimizer=OPTIMIZERS[optimizer],
        schedule={"kind": "plateau", "patience": 1},
        gradient_clip=0.5,
        l2=1e-5,
    )
    whole = list(training(trial))
    for stopped in range(1, TASK.epochs):
        first = training(trial)
        begun = list(islice(first, stopped))
        save_checkpoint(tmp_path / "c.pt", first.state_dict(), Identity(trial, TASK))
        second = training(trial, seed=5)
        second.load_state_dict(load_checkpoint(tmp_path / "c.pt", Identity(trial, TASK)))
        assert begun + list(second) == whole
        assert second.history == whole


@pytest.mark.parametrize("stopped", range(7 * TASK.epochs))
def test_a_training_cancelled_anywhere_goes_on_to_the_identical_curve(stopped: int) -> None:
    """Six steps and one batch of validation images an epoch; nothing of an epoch is trained again."""
    whole = list(training())
    first = training(cancelled=after(stopped))
    with pytest.raises(Cancelled):
        list(first)
    assert len(first.history) == stopped // 7
    assert len(first.train_state.losses) == stopped % 7
    second = training()
    second.load_state_dict(stored(first.state_dict()))
    begun = list(second.history)
    assert begun + list(second) == whole


def test_an_epoch_that_was_saved_midway_goes_on_to_the_identical_curve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Six steps an epoch, dropout and noise included: here it is saved after each but the last."""
    monkeypatch.setattr(loop, "MIDWAY_S", -1.0)
    whole = list(training())
    saved = saved_midway(training())
    assert len(saved) == 5 * TASK.epochs
    for state in (saved[0], saved[3], saved[9], saved[-1]):
        again = training()
        again.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
        begun = list(again.history)
        assert begun + list(again) == whole


def test_an_epoch_of_an_hour_is_saved_within_it_and_one_of_seconds_is_not() -> None:
    assert loop.MIDWAY_S == 60
    assert saved_midway(training()) == []


def test_a_training_that_diverges_says_so_and_goes_on() -> None:
    wild = {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.9}
    model = {**MODELS["mlp"], "output": "linear"}
    run = training(config(model=model, optimizer=wild))
    results = list(run)
    assert not math.isfinite(results[-1].val_mse)
    assert len(results) == TASK.epochs
    assert run.best is None or math.isfinite(run.best.val_mse)


def test_a_batch_size_of_one_trains_on_every_image() -> None:
    run = training(config(batch_size=1, model=MODELS["mlp"]))
    assert len(run._batches()) == 97


@pytest.mark.parametrize("model", MODELS)
def test_bfloat16_learns_as_float32_does(model: str) -> None:
    trial = config(model, model=MODELS[model])
    exact, coarse = list(training(trial)), list(training(trial, precision="bfloat16"))
    for one, other in zip(exact, coarse, strict=True):
        assert one.val_mse == pytest.approx(other.val_mse, rel=0.05)


def test_the_seed_decides_everything_and_the_global_stream_nothing() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = list(training())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert list(training()) == first
    assert list(training(seed=6)) != first


def test_every_epoch_has_an_order_noise_and_dropout_of_its_own() -> None:
    run = training(config("unet"))
    seen: list[tuple[list[int], int, int]] = []
    for _ in range(2):
        order = torch.cat(list(run._batches())).tolist()
        drive(run.epoch())
        dropout = next(layer for layer in run.model.modules() if isinstance(layer, Dropout))
        (draws,) = dropout.draws
        assert draws.generator is run.train_state.dropout
        seen.append((order, run.train_state.noise.initial_seed(), draws.generator.initial_seed()))
    for first, second in zip(*seen, strict=True):
        assert first != second


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
def test_every_loss_and_optimizer_learns(optimizer: str, loss: str) -> None:
    trial = config(optimizer=OPTIMIZERS[optimizer], loss=loss, model=MODELS["mlp"], epochs=None)
    task = TASK.model_copy(update={"epochs": 12})
    results = list(Training(task, trial, prepared(task), seed=0))
    assert results[-1].val_mse < results[0].val_mse


def test_a_denoiser_beats_its_input() -> None:
    task = TASK.model_copy(update={"epochs": 30})
    optimizer = {"kind": "adam", "learning_rate": 3e-3}
    trial = config(model={"kind": "unet", "depth": 1, "channels": 8}, optimizer=optimizer)
    run = Training(task, trial, prepared(task), seed=0)
    list(run)
    scores = run.scores()
    assert scores.psnr_gain is not None
    assert scores.psnr_gain > 2


def test_the_noise_of_training_may_differ_from_the_measured_one() -> None:
    data = prepared()
    shared = training()
    own = training(config(corruption={"kind": "masking", "fraction": 0.5}))
    assert torch.equal(shared.data.val_noisy, own.data.val_noisy)
    assert torch.equal(data.val_noisy, own.data.val_noisy)
    assert list(shared) != list(own)


def test_pairs_train_on_their_own_noise() -> None:
    task = Task.model_validate(
        {"data": {"dataset": "pairs", "noisy": "n", "clean": "c"}, "epochs": 2}
    )
    clean = images(40, 1)
    noisy = (clean + 0.3).clamp(0, 1)
    data = prepare(ImageSet(clean, noisy), ImageSet(clean, noisy), task, torch.device("cpu"))
    assert torch.equal(data.val_noisy, noisy)
    run = Training(task, config(), data, seed=0)
    index = torch.tensor([3, 1])
    given, requests = run.train_state.batch(index)
    assert torch.equal(given, noisy[index])
    assert torch.equal(requests, clean[index])


def test_scores_are_those_of_the_best_epoch_and_match_skimage() -> None:
    run = training(config(optimizer={"kind": "sgd", "learning_rate": 3.0, "momentum": 0.9}))
    list(run)
    assert run.best is not None
    scores = run.scores()
    assert scores.val_mse == pytest.approx(run.best.val_mse, rel=1e-5)
    restored, clean = run.restore().numpy(), run.data.val_clean.numpy()
    each = [
        peak_signal_noise_ratio(c, r, data_range=1) for c, r in zip(clean, restored, strict=True)
    ]
    assert scores.val_psnr == pytest.approx(sum(each) / len(each), abs=1e-4)


def test_scores_come_from_the_best_weights_not_the_last_ones() -> None:
    run, zeroed = training(), training()
    next(iter(run)), next(iter(zeroed))
    with torch.no_grad():
        for parameter in zeroed.model.parameters():
            parameter.zero_()
    assert zeroed.scores() == run.scores()
    assert torch.equal(zeroed.restore(), run.restore())
    assert all(parameter.abs().sum() == 0 for parameter in zeroed.model.parameters())


def test_what_was_restored_is_kept_until_there_is_a_better_epoch() -> None:
    run = training()
    epochs = iter(run)
    next(epochs)
    first = run.restore()
    assert run.restore() is first
    list(epochs)
    assert run.best is not None
    assert run.best.epoch > 1
    assert run.scores().val_mse == pytest.approx(run.best.val_mse, rel=1e-5)
    again = training()
    again.load_state_dict(run.state_dict())
    assert torch.equal(again.restore(), run.restore())


def test_looking_at_the_best_epoch_changes_nothing() -> None:
    whole = list(training())
    run = training()
    begun = list(islice(run, 2))
    run.scores()
    assert begun + list(run) == whole


def test_the_last_batch_of_one_is_left_out() -> None:
    run = training()  # 97 images in batches of 16
    assert [len(batch) for batch in run._batches()] == [16] * 6


def test_a_trial_may_train_fewer_epochs() -> None:
    assert len(list(training(config(epochs=2)))) == 2


def result(epoch: int, mse: float) -> EpochResult:
    return EpochResult(epoch, mse, mse, -mse, 0.1)


def test_early_stopping_counts_epochs_without_a_better_one() -> None:
    history = [result(n, mse) for n, mse in enumerate([3.0, 2.0, 2.5, 2.0, float("nan")], 1)]
    assert best_of(history, Metric.VAL_MSE) == history[1]
    assert not stalled(history[:3], 2, Metric.VAL_MSE)
    assert stalled(history[:4], 2, Metric.VAL_MSE)
    assert stalled(history, 3, Metric.VAL_PSNR)
    assert not stalled(history, 4, Metric.VAL_PSNR)
    assert not stalled([], 1, Metric.VAL_MSE)


def test_a_history_of_an_older_version_is_read_and_written_as_it_was() -> None:
    stored = {
        "epoch": 1, "train_loss": 0.2, "val_mse": 0.1, "val_psnr": 10.0, "learning_rate": 0.01,
    }  # fmt: skip
    read = EpochResult.of_record(stored)
    assert read == EpochResult(1, 0.2, 0.1, 10.0, 0.01)
    assert list(read.as_record().items()) == list(stored.items())
    with_ssim = {**stored, "val_ssim": 0.5}
    assert EpochResult.of_record(with_ssim).as_record() == with_ssim


def test_an_epoch_whose_objective_is_not_finite_is_not_finite() -> None:
    assert result(1, 2.0).finite
    assert not replace(result(1, 2.0), also={"val_ssim": float("nan")}).finite
