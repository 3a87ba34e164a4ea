"""The loop: reproducible, stoppable, continued to the identical curve."""

import io
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.data.splits import ImageSet
from autoencoder_hpo.errors import CheckpointError
from autoencoder_hpo.training import loop
from autoencoder_hpo.training.checkpoint import load_checkpoint, save_checkpoint
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.loop import Cancelled, EpochResult, Training, best_of, stalled
from autoencoder_hpo.training.prepared import Prepared, prepare

MODELS = {
    "mlp": {"kind": "mlp", "depth": 1, "width": 32, "latent": 8},
    "conv": {"kind": "conv", "depth": 1, "channels": 4, "latent": 8},
    "unet": {"kind": "unet", "depth": 1, "channels": 4},
}
OPTIMIZERS = {
    "adam": {"kind": "adam", "learning_rate": 1e-2},
    "adamw": {"kind": "adamw", "learning_rate": 1e-2, "weight_decay": 0.01},
    "sgd": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    "rmsprop": {"kind": "rmsprop", "learning_rate": 1e-3, "momentum": 0.5},
}
TASK = Task.model_validate(
    {
        "data": {"dataset": "digits"},
        "corruption": {"kind": "gaussian", "sigma": 0.2},
        "epochs": 4,
    }
)


def images(number: int, seed: int) -> torch.Tensor:
    """Smooth blobs: something that can be restored."""
    centre = torch.rand(number, 2, 1, 1, generator=torch.Generator().manual_seed(seed)) * 8
    rows, columns = torch.arange(8).view(1, 8, 1), torch.arange(8).view(1, 1, 8)
    squared = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2
    return torch.exp(-squared / 6).unsqueeze(1)


def prepared(task: Task = TASK) -> Prepared:
    train, validation = ImageSet(images(97, 1)), ImageSet(images(40, 2))
    return prepare(train, validation, task, torch.device("cpu"))


def config(kind: str = "mlp", **changes: Any) -> TrialConfig:
    style = {"dropout": 0.2, "normalization": "batch"}
    base = {"model": {**MODELS[kind], **style}, "optimizer": OPTIMIZERS["adam"], "batch_size": 16}
    return TrialConfig.model_validate({**base, **changes})


def training(trial: TrialConfig | None = None, **how: Any) -> Training:
    return Training(TASK, trial or config(), prepared(), seed=how.pop("seed", 5), **how)


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
        save_checkpoint(tmp_path / "c.pt", first.state_dict(), config={})
        second = training(trial, seed=5)
        second.load_state_dict(load_checkpoint(tmp_path / "c.pt", config={}))
        assert begun + list(second) == whole
        assert second.history == whole


def test_a_training_cancelled_within_an_epoch_drops_it() -> None:
    whole = list(training())
    asked = iter(range(10**6))
    stopped = training(cancelled=lambda: next(asked) > 9)  # in the second epoch
    saved: list[bytes] = []

    def run_to_the_end() -> None:
        for _ in stopped:
            file = io.BytesIO()
            torch.save(stopped.state_dict(), file)
            saved.append(file.getvalue())

    with pytest.raises(Cancelled):
        run_to_the_end()
    assert len(saved) == 1
    again = training()
    again.load_state_dict(torch.load(io.BytesIO(saved[-1]), weights_only=True))
    assert whole[:1] + list(again) == whole


def saved_midway(train: Training | FoldedTraining) -> list[bytes]:
    """Its states as they are saved within epochs, while it trains to the end."""
    saved: list[bytes] = []

    def save() -> None:
        file = io.BytesIO()
        torch.save(train.state_dict(), file)
        saved.append(file.getvalue())

    for part in train.trainings if isinstance(train, FoldedTraining) else [train]:
        part.save = save
    assert len(list(train)) == TASK.epochs
    return saved


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


def test_the_seed_decides_everything_and_the_global_stream_nothing() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = list(training())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert list(training()) == first
    assert list(training(seed=6)) != first


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
    given, wanted = run._batch(index, torch.Generator())
    assert torch.equal(given, noisy[index])
    assert torch.equal(wanted, clean[index])


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
    run = training()
    next(iter(run))
    scores, restored = run.scores(), run.restore()
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.zero_()
    assert run.scores() == scores
    assert torch.equal(run.restore(), restored)
    assert all(parameter.abs().sum() == 0 for parameter in run.model.parameters())


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
    assert best_of(history, "val_mse") == history[1]
    assert not stalled(history[:3], 2, "val_mse")
    assert stalled(history[:4], 2, "val_mse")
    assert stalled(history, 3, "val_psnr")
    assert not stalled(history, 4, "val_psnr")
    assert not stalled([], 1, "val_mse")


# ---- folds -----------------------------------------------------------------------------


def folded(**how: Any) -> FoldedTraining:
    folds = build_training(TASK, config(), [prepared(), prepared(), prepared()], seed=3, **how)
    assert isinstance(folds, FoldedTraining)
    return folds


def test_folds_yield_their_mean() -> None:
    run = folded()
    results = list(run)
    for number, mean in enumerate(results):
        own = [training.history[number].val_mse for training in run.trainings]
        assert mean.val_mse == pytest.approx(sum(own) / 3)
        assert len(set(own)) == 3  # each fold has a seed of its own
    assert run.history == results
    assert run.best is not None
    assert run.scores().val_mse == pytest.approx(run.best.val_mse, rel=1e-5)


def test_stopped_folds_go_on_to_the_identical_curve() -> None:
    whole = list(folded())
    first = folded()
    begun = [next(iter(first)), next(iter(first))]
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = folded()
    second.load_state_dict(torch.load(file, weights_only=True))
    assert begun + list(second) == whole


# ---- checkpoints -----------------------------------------------------------------------


def test_folds_saved_midway_go_on_to_the_identical_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when some folds are an epoch ahead of others."""
    monkeypatch.setattr(loop, "MIDWAY_S", -1.0)
    whole = list(folded())
    saved = saved_midway(folded())
    for state in (saved[2], saved[10], saved[-3]):
        again = folded()
        again.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
        begun = list(again.history)
        assert begun + list(again) == whole


def test_a_checkpoint_of_another_trial_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"a": torch.ones(2)}, config={"width": 8})
    assert torch.equal(load_checkpoint(path, config={"width": 8})["a"], torch.ones(2))
    with pytest.raises(CheckpointError, match="belongs to another trial"):
        load_checkpoint(path, config={"width": 9})


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"a": torch.ones(2000)}, config={})
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, config={})
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, config={})


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"version": 1, "config": {}, "state": Path("x")}, path)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, config={})


def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"epoch": 1}, config={})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"epoch": 2}, config={})
    assert load_checkpoint(path, config={}) == {"epoch": 1}
