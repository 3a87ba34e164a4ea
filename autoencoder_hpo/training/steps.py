"""One optimizer step of one model, and how the steps of several trainings are taken together.

A training is a generator: it says which step it wants, and goes on when that was taken. Whoever
drives it takes the steps, one by one or those of several trainings at once. Nothing here waits
for the device.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autoencoder_hpo.config import Corruption, TrialConfig
from autoencoder_hpo.data.corruption import corrupt
from autoencoder_hpo.models import Draws, seed_dropout
from autoencoder_hpo.training.losses import total_loss
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import Precision

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class TrainState:
    """One model as a step sees it, with all that its steps draw from and lead to."""

    model: nn.Module
    optimizer: Optimizer
    config: TrialConfig
    corruption: Corruption | None
    data: DeviceData
    precision: Precision
    noise: torch.Generator
    dropout: torch.Generator
    losses: list[Tensor] = field(default_factory=list)
    """Of this epoch's steps, each [1]: the loss times the number of images."""
    n_fused: int = 1
    """The most models that were trained in one step with this one, itself included."""

    def __post_init__(self) -> None:
        seed_dropout(self.model, [self.draws])

    @property
    def draws(self) -> Draws:
        return Draws(self.config.model.dropout, self.dropout)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Corrupted and clean images of these indices, [N, C, H, W]."""
        device = self.data.device
        clean = self.data.train_clean[index].to(device, non_blocking=True)
        if self.corruption is not None:
            return corrupt(clean, self.corruption, self.noise), clean
        assert self.data.train_noisy is not None, "only pairs come without a corruption"
        return self.data.train_noisy[index].to(device, non_blocking=True), clean

    def update(self, lr: float | Tensor) -> None:
        """Move the weights along their gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()


@dataclass(frozen=True, slots=True, eq=False)
class StepRequest:
    """A step that a training waits for."""

    train_state: TrainState
    index: Tensor
    """Which training images, [N]."""
    lr: float | Tensor


Steps = Generator[list[StepRequest], list[Exception | None], T]
"""Yields the steps that are wanted next; is sent, for each, why it could not be taken, if so."""
Take = Callable[[list[StepRequest]], list[Exception | None]]


def eager_step(request: StepRequest) -> None:
    """One model, plain PyTorch."""
    train_state = request.train_state
    noisy, clean = train_state.batch(request.index)
    loss = total_loss(
        train_state.model, noisy, clean, train_state.config, precision=train_state.precision
    )
    train_state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss.total)
    train_state.update(request.lr)
    own = loss.reconstruction.detach().reshape(1)
    train_state.losses.append(own * len(clean))  # reading it would wait for it


def one_by_one(requests: list[StepRequest]) -> list[Exception | None]:
    """Take each step by itself; one that fails fails alone."""
    return [_tried(step) for step in requests]


def _tried(request: StepRequest) -> Exception | None:
    try:
        eager_step(request)
    except Exception as error:  # raised again in the training that wanted the step
        return error
    return None


def drive(steps: Steps[T], take: Take = one_by_one) -> T:
    """Take all the steps that are wanted; returns what they lead to."""
    try:
        requests = next(steps)
        while True:
            requests = steps.send(take(requests))
    except StopIteration as end:
        result: T = end.value
        return result


def together(
    trainings: Sequence[Steps[T]],
    join: Callable[[Sequence[StepRequest]], Iterable[Steps[T]]] = lambda _: (),
) -> Steps[list[T]]:
    """Several at once, step by step, each until its own end; returns their results in order.

    `join` is shown the steps that are wanted first, and again whenever a training has ended while
    others go on; it gives trainings that go along.
    """
    everyone: list[Steps[T]] = []
    results: dict[int, T] = {}
    requests: dict[int, list[StepRequest]] = {}

    def advance(number: int, errors: list[Exception | None] | None) -> None:
        steps = everyone[number]
        try:
            requests[number] = next(steps) if errors is None else steps.send(errors)
        except StopIteration as end:
            requests.pop(number, None)
            results[number] = end.value

    def begin(steps: Steps[T]) -> None:
        everyone.append(steps)
        advance(len(everyone) - 1, None)

    def all_wanted() -> list[StepRequest]:
        return [step for own in requests.values() for step in own]

    for steps in trainings:
        begin(steps)
    ended = len(requests)  # as if some had: the first may be joined, too
    while requests:
        if len(requests) <= ended:
            for steps in join(all_wanted()):
                begin(steps)
        errors = iter((yield all_wanted()))
        ended = len(requests) - 1
        for number, own in list(requests.items()):
            advance(number, [next(errors) for _ in own])
    return [results[number] for number in range(len(everyone))]
