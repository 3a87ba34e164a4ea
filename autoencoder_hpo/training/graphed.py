"""A whole step as a CUDA graph: gathering, noise, both passes, clipping and the update.

A small model's step is a hundred kernels of a few microseconds, and Python needs longer to start
each one. A graph is started at once. It works on the same memory every time: what changes from
step to step, the images' indices and the learning rates, is copied there first.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from autoencoder_hpo.training.stacked import StackedSteps
from autoencoder_hpo.training.steps import StepRequest, TrainState

log = logging.getLogger(__name__)

WARM = 3
"""Steps before the capture, in which libraries choose their kernels; they are taken back."""
Run = Callable[[], list[Tensor]]
Capture = Callable[[Run, Sequence[Generator]], Run]


def cuda_graph(run: Run, generators: Sequence[Generator]) -> Run:
    """What does on every call what `run` does now. Its results are copied out."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:  # else each replay would draw what was drawn here
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        kept = run()

    def replay() -> list[Tensor]:
        graph.replay()
        return [tensor.clone() for tensor in kept]

    return replay


class GraphedSteps(StackedSteps):
    """Takes steps as `StackedSteps` does, from graphs; where none can be made, without."""

    def __init__(self, capture: Capture = cuda_graph) -> None:
        super().__init__()
        self._capture = capture
        self._graphs: dict[tuple[int, ...], GraphedStep] = {}
        self._refused = False

    def _take(self, group: list[StepRequest]) -> list[Exception | None]:
        train_states = [step.train_state for step in group]
        key = (len(group[0].index), *map(id, train_states))
        if self._refused:
            return super()._take(group)
        if key not in self._graphs:
            self._forget(train_states)
            try:
                self._graphs[key] = GraphedStep(group, super()._take, self._capture)
            except Exception as error:  # whatever the reason, a graph is only faster
                log.warning("no CUDA graph, so that steps take longer: %s", error)
                self._refused = True
                return super()._take(group)
        self._graphs[key](group)
        return [None] * len(group)

    def _forget(self, train_states: Sequence[TrainState]) -> None:
        """Drop graphs of these models with others: their weights will lie elsewhere."""
        ids = set(map(id, train_states))
        for key in list(self._graphs):
            if ids & set(key[1:]) and set(key[1:]) != ids:
                del self._graphs[key]


class GraphedStep:
    """One step of one model, or of several, captured once and then replayed.

    Raises what the step or the capture raises; the models are then as they were.
    """

    def __init__(
        self,
        group: Sequence[StepRequest],
        take: Callable[[list[StepRequest]], list[Exception | None]],
        capture: Capture,
    ) -> None:
        train_states = [step.train_state for step in group]
        like = next(train_states[0].model.parameters())
        self._fixed = [
            StepRequest(step.train_state, step.index.clone(), like.new_tensor(step.lr))
            for step in group
        ]

        def run() -> list[Tensor]:
            for error in take(self._fixed):
                if error is not None:
                    raise error
            return [train_state.losses.pop() for train_state in train_states]

        before = [_Before(train_state) for train_state in train_states]
        try:
            _on_the_side(run, like.device)
            for known in before:
                known.restore()
            generators = [
                own
                for train_state in train_states
                for own in (train_state.noise, train_state.dropout)
            ]
            self._replay = capture(run, generators)
        finally:
            for known in before:
                known.restore()

    def __call__(self, group: Sequence[StepRequest]) -> None:
        for step, fixed in zip(group, self._fixed, strict=True):
            fixed.index.copy_(step.index)
            assert isinstance(fixed.lr, Tensor)
            fixed.lr.fill_(step.lr)
        for step, loss in zip(group, self._replay(), strict=True):
            step.train_state.losses.append(loss)


def _on_the_side(run: Run, device: torch.device) -> None:
    """Warm up on a stream of its own, as captures want it."""
    if device.type != "cuda":
        for _ in range(WARM):
            run()
        return
    here, side = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    side.wait_stream(here)
    with torch.cuda.stream(side):
        for _ in range(WARM):
            run()
    here.wait_stream(side)


class _Before:
    """What a state was, to be put back in place: a graph keeps the addresses of its tensors."""

    def __init__(self, train_state: TrainState) -> None:
        self.train_state = train_state
        self.model = {
            name: tensor.clone() for name, tensor in train_state.model.state_dict().items()
        }
        self.optimizer = {
            weight: {name: _copied(value) for name, value in state.items()}
            for weight, state in train_state.optimizer.state.items()
        }
        self.losses = list(train_state.losses)
        self.streams = train_state.noise.get_state(), train_state.dropout.get_state()

    def restore(self) -> None:
        train_state = self.train_state
        for name, tensor in train_state.model.state_dict().items():
            tensor.copy_(self.model[name])
        for weight, state in train_state.optimizer.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor):  # what was not there yet starts from zero
                    value.copy_(self.optimizer.get(weight, {}).get(name, torch.zeros_like(value)))
        train_state.losses[:] = self.losses
        train_state.noise.set_state(self.streams[0])
        train_state.dropout.set_state(self.streams[1])


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
