"""One optimizer step. Noise comes in as a tensor, and nothing waits for the device."""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.training.losses import loss_of, penalty, weights
from autoencoder_hpo.training.precision import Precision, autocast


class Step(Protocol):
    """Takes corrupted and clean images, gives one loss per model that it trains: [models]."""

    def __call__(self, noisy_NCHW: Tensor, clean_NCHW: Tensor, *, lr: float) -> Tensor: ...


class EagerStep:
    """One model, plain PyTorch."""

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, config: TrialConfig, precision: Precision
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.config = config
        self.precision = precision
        self._weights = weights(model)

    def __call__(self, noisy_NCHW: Tensor, clean_NCHW: Tensor, *, lr: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with autocast(noisy_NCHW.device, self.precision):
            restored = self.model(noisy_NCHW)
        loss = loss_of(restored, clean_NCHW, self.config)
        total = loss + penalty(self._weights, l1=self.config.l1, l2=self.config.l2)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        return loss.detach().reshape(1)  # still on the device: reading it would wait for it
