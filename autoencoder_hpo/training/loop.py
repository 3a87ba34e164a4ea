"""The training loop: the only one in this package."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.models import build_model, count_parameters
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.training.metrics import (
    mse_per_image,
    per_image,
    psnr,
    psnr_of_groups,
    score,
)
from autoencoder_hpo.training.optim import build_optimizer, lay_out_as_weights, learning_rate
from autoencoder_hpo.training.precision import autocast
from autoencoder_hpo.training.prepared import CHUNK, DeviceData
from autoencoder_hpo.training.results import EVERY_EPOCH_HAS, EpochResult, Precision, Scores
from autoencoder_hpo.training.steps import StepRequest, Steps, TrainState, drive

MIDWAY_S = 60.0
"""An epoch that takes longer is saved within it, this often."""


class Cancelled(Exception):
    """Training was asked to stop; the state holds what was trained of the epoch."""


class Training:
    """One model being trained. Iterate to train: every epoch yields its result.

    `advance` trains an epoch whose steps somebody else takes, along with those of other models.

    To stop, stop iterating. To continue later, keep `state_dict()`: all randomness is drawn
    anew for every epoch from (seed, epoch), so that a training that goes on from a state has the
    curve of one that was never stopped, on the same device with the same number of threads.

    Raises `Cancelled` between two steps or batches when `cancelled()` says so, and at the end of an
    epoch when `dropped()` does. In an epoch longer than `MIDWAY_S`, `save` is called between two
    steps. The state then holds the part of the epoch.
    """

    def __init__(
        self,
        task: Task,
        config: TrialConfig,
        data: DeviceData,
        *,
        seed: int,
        precision: Precision = "float32",
        best_by: Metric = Metric.VAL_MSE,
        cancelled: Callable[[], bool] = lambda: False,
        dropped: Callable[[], bool] = lambda: False,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        self.config = config
        self.data = data
        self.seed = seed
        self.best_by = best_by
        self.cancelled = cancelled
        self.dropped = dropped
        self.save = save
        self.epochs = config.epochs or task.epochs
        self.model = _initialized(config, data, seed).to(data.device)
        if data.device.type == "cpu":  # a unet's step takes 57 instead of 73 ms so
            self.model = self.model.to(memory_format=torch.channels_last)
        self.train_state = TrainState(
            model=self.model,
            optimizer=build_optimizer(config.optimizer, self.model),
            config=config,
            corruption=config.corruption or task.corruption,
            data=data,
            precision=precision,
            noise=Generator(data.device),
            dropout=Generator(data.device),
        )
        self.history: list[EpochResult] = []
        self._best_weights: dict[str, Tensor] = {}
        self._best_restored: tuple[int, Tensor] | None = None

    @property
    def best(self) -> EpochResult | None:
        """The best epoch so far; None before a finite one."""
        return best_of(self.history, self.best_by)

    @property
    def best_weights(self) -> Mapping[str, Tensor]:
        """A `state_dict` of the model in its best epoch; empty before a finite one."""
        return self._best_weights

    @property
    def parameters(self) -> int:
        return count_parameters(self.model)

    @property
    def n_fused(self) -> int:
        """The most models that were trained in one step with this one; 1 is this one alone."""
        return self.train_state.n_fused

    def __iter__(self) -> Iterator[EpochResult]:
        while (result := drive(self.advance())) is not None:
            yield result

    @property
    def finished(self) -> bool:
        return len(self.history) >= self.epochs

    def advance(self) -> Steps[EpochResult | None]:
        """Train one more epoch; None when all were trained."""
        if self.finished:
            return None
        result = yield from self.epoch()
        if self.best is result:
            self.keep_weights()
        return result

    def epoch(self) -> Steps[EpochResult]:
        """One more epoch, added to the history."""
        train_loss, lr = yield from self._train()
        val_mse, val_psnr, also = self._validate()
        if self.dropped():
            raise Cancelled
        result = EpochResult(len(self.history) + 1, train_loss, val_mse, val_psnr, lr, also)
        self.train_state.losses = []
        self.history.append(result)
        return result

    def keep_weights(self) -> None:
        """Remember the weights of this epoch as the best ones."""
        self._best_weights = {
            name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()
        }

    def _train(self) -> Steps[tuple[float, float]]:
        """Mean training loss of one epoch, and its last learning rate."""
        train_state, epoch = self.train_state, len(self.history)
        batches = self._batches()
        if not train_state.losses:  # else the epoch goes on where it was saved
            train_state.noise.manual_seed(seed_for(self.seed, "noise", epoch))
            train_state.dropout.manual_seed(seed_for(self.seed, "dropout", epoch))
        saved = time.monotonic()
        self.model.train()
        for number in range(len(train_state.losses), len(batches)):
            if self.cancelled():
                raise Cancelled
            if train_state.losses and time.monotonic() - saved > MIDWAY_S:
                self.save()
                saved = time.monotonic()
            lr = self._learning_rate(number, len(batches))
            (error,) = yield [StepRequest(train_state, batches[number], lr)]
            if error is not None:
                raise error
        total = torch.cat(train_state.losses).sum().item()  # waits for the device
        return total / sum(map(len, batches)), self._learning_rate(len(batches) - 1, len(batches))

    def _learning_rate(self, number: int, steps: int) -> float:
        """Of a step of the epoch that is trained."""
        return learning_rate(
            self.config.schedule,
            self.config.optimizer.learning_rate,
            step=len(self.history) * steps + number,
            steps_per_epoch=steps,
            epochs=self.epochs,
            val_mse=[result.val_mse for result in self.history],
        )

    def _batches(self) -> Sequence[Tensor]:
        """Indices of this epoch's batches; a last batch of one is left out (batch norm)."""
        home = self.data.train_clean.device
        order = Generator().manual_seed(seed_for(self.seed, "order", len(self.history)))
        count = len(self.data.train_clean)
        shuffled = torch.randperm(count, generator=order).to(home)
        batches = torch.split(shuffled, self.config.batch_size)
        lone = len(batches[-1]) == 1 < len(batches[0])
        return batches[:-1] if lone else batches

    def _validate(self) -> tuple[float, float, dict[str, float]]:
        """Mean MSE over all pixels, mean PSNR over images, and what `best_by` needs besides."""
        also = () if self.best_by.value in EVERY_EPOCH_HAS else (self.best_by,)
        errors, others = [], []
        for restored, clean in zip(
            self._restored(), torch.split(self.data.val_clean, CHUNK), strict=True
        ):
            errors.append(mse_per_image(restored, clean))
            others += [per_image(metric, restored, clean) for metric in also]
        mse_N = torch.cat(errors)
        means = [mse_N.mean(), psnr(mse_N).mean()]
        means += [torch.cat(others).mean()] if others else []
        mse, decibel, *more = torch.stack(means).tolist()  # waits for the device, once
        return mse, decibel, {m.value: v for m, v in zip(also, more, strict=True)}

    @torch.no_grad()
    def _restored(self) -> Iterator[Tensor]:
        self.model.eval()
        for noisy in torch.split(self.data.val_noisy, CHUNK):
            if self.cancelled():
                raise Cancelled
            with autocast(self.data.device, self.train_state.precision):
                restored = self.model(noisy)
            yield restored.to(noisy.dtype)

    def restore(self) -> Tensor:
        """Validation images as the best epoch restores them: [N, C, H, W] on the CPU."""
        assert self.best is not None, "there is no finite epoch yet"
        if self._best_restored is None or self._best_restored[0] != self.best.epoch:
            self._best_restored = self.best.epoch, self._restore()
        return self._best_restored[1]

    def _restore(self) -> Tensor:
        last = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self._best_weights)
        try:
            return torch.cat([restored.cpu() for restored in self._restored()])
        finally:
            self.model.load_state_dict(last)

    def scores(self) -> Scores:
        """Validation scores of the best epoch."""
        noisy, clean = self.data.val_noisy.cpu(), self.data.val_clean.cpu()
        return score(self.restore(), noisy, clean, self.best_by)

    def group_psnr(self) -> dict[str, float] | None:
        """The best epoch's PSNR in each class or folder, in dB; None where there are none."""
        mse_N = mse_per_image(self.restore(), self.data.val_clean.cpu())
        return psnr_of_groups(mse_N, self.data.val_names)

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": [result.as_record() for result in self.history],
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": self.train_state.optimizer.state_dict()["state"],
            "best": self._best_weights,
            "midway": self._midway(),
            "at_once": self.train_state.n_fused,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history = [EpochResult.of_record(result) for result in state["history"]]
        self.model.load_state_dict(state["model"])
        self._load_optimizer(state["optimizer"])
        self._best_weights = {k: v.to(self.data.device) for k, v in state["best"].items()}
        self._best_restored = None
        self.train_state.n_fused = state["at_once"]
        midway = state["midway"]
        self.train_state.losses = []
        if midway is not None:
            self.train_state.losses = list(midway["losses"].to(self.data.device).split(1))
            self.train_state.noise.set_state(midway["noise"].cpu())
            self.train_state.dropout.set_state(midway["dropout"].cpu())

    def _load_optimizer(self, state: dict[Any, Any]) -> None:
        """Only what it has learned: its settings are the config's and this device's."""
        optimizer = self.train_state.optimizer
        settings = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": settings})
        lay_out_as_weights(optimizer)

    def _midway(self) -> dict[str, Any] | None:
        """How far this epoch is; None between two."""
        train_state = self.train_state
        if not train_state.losses:
            return None
        return {
            "losses": torch.cat(train_state.losses),
            "noise": train_state.noise.get_state(),
            "dropout": train_state.dropout.get_state(),
        }


def _initialized(config: TrialConfig, data: DeviceData, seed: int) -> nn.Module:
    """Fresh weights from the seed, the global stream left alone."""
    _, channels, height, width = data.train_clean.shape
    mean, std = (data.mean, data.std) if config.standardize else (0.0, 1.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights"))
        return build_model(config.model, (channels, height, width), mean=mean, std=std)


def best_of(history: Sequence[EpochResult], by: Metric) -> EpochResult | None:
    """The best finite epoch, the earlier of equal ones."""
    finite = [result for result in history if math.isfinite(by.of(result))]
    return min(finite, key=lambda result: by.rank(by.of(result)), default=None)


def stalled(history: Sequence[EpochResult], patience: int, by: Metric) -> bool:
    """Early stopping: whether the last `patience` epochs brought nothing better."""
    best = best_of(history, by)
    return best is not None and len(history) - best.epoch >= patience
