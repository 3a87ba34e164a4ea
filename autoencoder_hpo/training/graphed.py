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
from autoencoder_hpo.training.steps import Lane, Wanted

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

    def _take(self, group: list[Wanted]) -> list[Exception | None]:
        lanes = [step.lane for step in group]
        key = (len(group[0].index), *map(id, lanes))
        if self._refused:
            return super()._take(group)
        if key not in self._graphs:
            self._forget(lanes)
            try:
                self._graphs[key] = GraphedStep(group, super()._take, self._capture)
            except Exception as error:  # whatever the reason, a graph is only faster
                log.warning("no CUDA graph, so that steps take longer: %s", error)
                self._refused = True
                return super()._take(group)
        self._graphs[key](group)
        return [None] * len(group)

    def _forget(self, lanes: Sequence[Lane]) -> None:
        """Drop graphs of these models with others: their weights will lie elsewhere."""
        ids = set(map(id, lanes))
        for key in list(self._graphs):
            if ids & set(key[1:]) and set(key[1:]) != ids:
                del self._graphs[key]


class GraphedStep:
    """One step of one model, or of several, captured once and then replayed.

    Raises what the step or the capture raises; the models are then as they were.
    """

    def __init__(
        self,
        group: Sequence[Wanted],
        take: Callable[[list[Wanted]], list[Exception | None]],
        capture: Capture,
    ) -> None:
        lanes = [step.lane for step in group]
        like = next(lanes[0].model.parameters())
        self._fixed = [
            Wanted(step.lane, step.index.clone(), like.new_tensor(step.lr)) for step in group
        ]

        def run() -> list[Tensor]:
            for error in take(self._fixed):
                if error is not None:
                    raise error
            return [lane.losses.pop() for lane in lanes]

        before = [_Before(lane) for lane in lanes]
        try:
            _on_the_side(run, like.device)
            for lane in before:
                lane.restore()
            generators = [own for lane in lanes for own in (lane.noise, lane.dropout)]
            self._replay = capture(run, generators)
        finally:
            for lane in before:
                lane.restore()

    def __call__(self, group: Sequence[Wanted]) -> None:
        for step, fixed in zip(group, self._fixed, strict=True):
            fixed.index.copy_(step.index)
            assert isinstance(fixed.lr, Tensor)
            fixed.lr.fill_(step.lr)
        for step, loss in zip(group, self._replay(), strict=True):
            step.lane.losses.append(loss)


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
    """What a lane was, to be put back in place: a graph keeps the addresses of its tensors."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.model = {name: tensor.clone() for name, tensor in lane.model.state_dict().items()}
        self.optimizer = {
            weight: {name: _copied(value) for name, value in state.items()}
            for weight, state in lane.optimizer.state.items()
        }
        self.losses = list(lane.losses)
        self.streams = lane.noise.get_state(), lane.dropout.get_state()

    def restore(self) -> None:
        lane = self.lane
        for name, tensor in lane.model.state_dict().items():
            tensor.copy_(self.model[name])
        for weight, state in lane.optimizer.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor):  # what was not there yet starts from zero
                    value.copy_(self.optimizer.get(weight, {}).get(name, torch.zeros_like(value)))
        lane.losses[:] = self.losses
        lane.noise.set_state(self.streams[0])
        lane.dropout.set_state(self.streams[1])


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
