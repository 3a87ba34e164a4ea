"""Several models of the same shape trained in one step (horizontally fused: HFTA, MLSys 2021).

Small models leave most of a GPU idle. Here one forward and one backward pass computes all of them,
as `torch.func.vmap` of the model over weights that lie side by side. Everything else stays each
model's own: images, noise, dropout, penalties, clipping, optimizer, learning rate.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.models import build_model, seed_dropout
from autoencoder_hpo.training.losses import COEFFICIENTS, Loss, total_loss, with_tensors
from autoencoder_hpo.training.optim import lay_out_as_weights
from autoencoder_hpo.training.steps import StepRequest, TrainState, one_by_one

log = logging.getLogger(__name__)
PER_MODEL = {
    "model.dropout": "each draws masks of its own: TrainState.draws",
    "optimizer": "each has its own: TrainState.optimizer",
    "schedule": "each step comes with its learning rate: StepRequest.lr",
    "epochs": "a training that is over leaves the stack",
    **dict.fromkeys(COEFFICIENTS, "a tensor with a number for each: StackedStep"),
    "gradient_clip": "each gradient is clipped by itself: TrainState.update",
    "early_stopping": "a training that is over leaves the stack",
    "standardize": "mean and deviation are buffers of the model",
    "corruption": "each batch has noise of its own: TrainState.batch",
}
"""Fields in which the models of one stack may differ, each with the place that makes it so.

All others must be equal, for the stack has them from its first model. A field that is missing here
costs time: models that differ in it are never trained at once.
"""


class StackedSteps:
    """Takes steps of models of one shape at once, and others one by one.

    A stack lasts while the same models want steps. When one leaves or joins, it is built anew from
    those that are there: what has ended costs nothing more.
    """

    def __init__(self) -> None:
        self._stacks: dict[int, StackedStep] = {}  # by the state's identity
        self._too_large = False

    def __call__(self, requests: list[StepRequest]) -> list[Exception | None]:
        groups: dict[Any, list[StepRequest]] = defaultdict(list)
        for step in requests:
            groups[(len(step.index), *shape_of(step.train_state))].append(step)
        errors: dict[int, Exception | None] = {}
        for group in groups.values():
            for step, error in zip(group, self._take(group), strict=True):
                errors[id(step)] = error
        return [errors[id(step)] for step in requests]

    def _take(self, group: list[StepRequest]) -> list[Exception | None]:
        if len(group) == 1 or self._too_large:
            return one_by_one(group)
        try:
            self._stack_of([step.train_state for step in group])(group)
        except torch.OutOfMemoryError:  # before any weight was changed
            log.warning("%d models at once need too much memory; trained one by one", len(group))
            self._too_large = True
            return one_by_one(group)
        return [None] * len(group)

    def _stack_of(self, train_states: list[TrainState]) -> "StackedStep":
        stack = self._stacks.get(id(train_states[0]))
        moved = any(self._stacks.get(id(train_state)) is not stack for train_state in train_states)
        if stack is None or moved or stack.train_states != train_states:
            # It holds the states, so that their identities stay theirs.
            stack = StackedStep(train_states)
            self._stacks |= dict.fromkeys(map(id, train_states), stack)
        return stack


def shape_of(train_state: TrainState) -> tuple[Any, ...]:
    """What models whose steps are taken at once have in common: all that is not `PER_MODEL`."""
    shape = train_state.data.train_clean.shape[1:]
    return (*shape, train_state.data.device, train_state.precision, _common(train_state.config))


@lru_cache(maxsize=256)  # asked before every step
def _common(config: TrialConfig) -> str:
    return config.model_dump_json(exclude=_EXCLUDED)


def is_per_model(parameter: str) -> bool:
    """Whether models of a stack may differ in a parameter of the search.

    Its name is the path of its field, with the kinds in it that were chosen on the way.
    """
    first, *others = parameter.split(".")
    return any(
        first == field and set(below) <= set(others)
        for field, *below in (path.split(".") for path in PER_MODEL)
    )


def _nested(paths: Iterable[str]) -> dict[str, Any]:
    """As pydantic wants what it leaves out: `a.b` is {a: {b: True}}."""
    tree: dict[str, Any] = {}
    for path in paths:
        *above, last = path.split(".")
        part = tree
        for key in above:
            part = part.setdefault(key, {})
        part[last] = True
    return tree


_EXCLUDED = _nested(PER_MODEL)


class StackedStep:
    """One step of several models of the same shape.

    The weights and buffers of all models move into tensors of [models, ...]; the models keep views
    of them, so that they can be validated, saved and trained alone as before.
    """

    def __init__(self, train_states: Sequence[TrainState]) -> None:
        self.train_states = list(train_states)
        first = self.train_states[0]
        with torch.device("meta"):
            self._model = build_model(first.config.model, _image_shape(first))
        seed_dropout(self._model, [train_state.draws for train_state in self.train_states])
        if first.data.device.type == "cpu":  # there vmap has no batch norm of bfloat16
            for layer in self._model.modules():
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    layer.register_forward_pre_hook(lambda _, inputs: (_widened(inputs[0]),))
        self._parameters = _side_by_side(
            [dict(train_state.model.named_parameters()) for train_state in train_states]
        )
        self._buffers = _side_by_side(
            [dict(train_state.model.named_buffers()) for train_state in train_states]
        )
        for train_state in self.train_states:
            lay_out_as_weights(train_state.optimizer)
            train_state.n_fused = max(train_state.n_fused, len(self.train_states))
        like = next(iter(self._parameters.values()))
        self._coefficients = {
            name: like.new_tensor(own)
            for name in COEFFICIENTS
            if any(own := [getattr(train_state.config, name) for train_state in self.train_states])
        }

    def __call__(self, requests: Sequence[StepRequest]) -> None:
        batches = [step.train_state.batch(step.index) for step in requests]
        noisy, clean = (torch.stack(images) for images in zip(*batches, strict=True))
        leaves = {
            name: stacked.detach().requires_grad_() for name, stacked in self._parameters.items()
        }
        loss = vmap(self._loss)(leaves, self._buffers, self._coefficients, noisy, clean)
        total = loss.total.sum()  # models share nothing: each one's gradient is its own
        gradients = torch.autograd.grad(total, list(leaves.values()))
        for number, step in enumerate(requests):
            for name, gradient in zip(leaves, gradients, strict=True):
                # Fused optimizers take it for granted that all lie in memory as the weights do.
                step.train_state.model.get_parameter(name).grad = gradient[number].contiguous()
            step.train_state.update(step.lr)
            own = loss.reconstruction[number].detach()
            step.train_state.losses.append(own.reshape(1) * len(step.index))

    def _loss(
        self,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        coefficients: dict[str, Tensor],
        noisy_NCHW: Tensor,
        clean_NCHW: Tensor,
    ) -> Loss:
        first = self.train_states[0]
        config = first.config.model_copy(update=coefficients)
        return with_tensors(
            self._model,
            parameters | buffers,
            lambda model: total_loss(
                model, noisy_NCHW, clean_NCHW, config, precision=first.precision
            ),
        )


def _image_shape(train_state: TrainState) -> tuple[int, int, int]:
    _, channels, height, width = train_state.data.train_clean.shape
    return channels, height, width


def _widened(x: Tensor) -> Tensor:
    return x.float() if x.dtype is torch.bfloat16 else x


def _side_by_side(models: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Each tensor of all models as one of [models, ...], of which theirs become views."""
    stacked = {}
    for name in models[0]:
        own = [tensors[name] for tensors in models]
        stacked[name] = torch.stack([tensor.detach().contiguous() for tensor in own])
        for number, tensor in enumerate(own):
            tensor.data = stacked[name][number]
    return stacked
