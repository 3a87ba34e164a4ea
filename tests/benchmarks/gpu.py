"""What a GPU is used for: plain, eager, graphed and stacked training of the same models.

    python tests/benchmarks/gpu.py [--pairs 5] [--most 64] [--batch 128] [--out FOLDER]

Real Fashion-MNIST. An epoch of the plain style (plain.py, with its best number of loader
processes) and one of each of ours in turn, validation included. Beside each: the share of the
time in which the GPU does anything, the peak of its memory, and a floor: the greater of the
operations by the measured rate of matrix products and the bytes of weights, gradients and
optimizer state by the measured bandwidth.

`--device cpu` runs the same without graphs; its figures only show that the script works.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from plain import PlainTraining, best_worker_count, fashion_mnist, task_of_plain
from results import Results, Row, parser
from support import config_of, inputs_of, study_file
from throughput import MODELS
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.graphed import GraphedSteps
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import Precision
from autoencoder_hpo.training.stacked import StackedSteps
from autoencoder_hpo.training.steps import (
    StepRequest,
    Take,
    drive,
    eager_step,
    one_by_one,
    together,
)

STATES = 4
"""Numbers for each weight: itself, its gradient, and two of Adam's."""


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    started = time.monotonic()
    work()
    synchronize(device)
    return time.monotonic() - started


def busy_share(work: Callable[[], object], device: torch.device) -> float | None:
    """The share of the time in which any kernel ran; None without a GPU."""
    if device.type != "cuda":
        return None
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        took = seconds(work, device)
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in recorded.events()
        if event.device_type is DeviceType.CUDA
    )
    busy, reached = 0.0, 0.0
    for start, end in spans:  # microseconds; kernels may overlap
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return min(1.0, busy / 1e6 / took)


def rates(device: torch.device) -> tuple[float, float]:
    """Operations a second of a matrix product, and bytes a second of a copy, as measured."""
    size = 8192 if device.type == "cuda" else 512
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    left = torch.randn(size, size, device=device, dtype=kind)
    wide = torch.empty(2**28 if device.type == "cuda" else 2**22, device=device)
    product = min(seconds(lambda: left @ left, device) for _ in range(10))
    copy = min(seconds(wide.clone, device) for _ in range(10))
    return 2 * size**3 / product, 2 * wide.nbytes / copy


def operations(lane_of: Callable[[], Training]) -> tuple[float, int]:
    """Of one step of one model; and how many weights it has."""
    training = lane_of()
    index = torch.arange(training.config.batch_size, device=training.data.train_clean.device)
    with FlopCounterMode(display=False) as counter:
        eager_step(StepRequest(training.train_state, index, 1e-3))
    return float(counter.get_total_flops()), training.parameters


def measure(
    name: str, given: Any, device: torch.device, folder: Path, speed: tuple[float, float]
) -> Iterator[Row]:
    file = study(MODELS[name], given)
    data = inputs_of(file, Settings(home=folder / "home"), device).prepared[0]
    config = config_of(file)
    images = fashion_mnist(folder / "plain")
    loaders = best_worker_count(config, images, device)
    peer = PlainTraining(
        config, images, train=given.train, validation=given.validation, device=device,
        workers=loaders,
    )  # fmt: skip
    peer.train_epoch()
    flops, weights = operations(lambda: fresh(file, config, data, 1, choose_precision(device))[0])
    steps = given.train / given.batch
    floor = steps * max(flops / speed[0], 4 * STATES * 2 * weights / speed[1])
    for label, take, size in sides(given.most, device):
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        trainings = fresh(file, config, data, size, choose_precision(device))
        epoch = epoch_of(trainings, take)
        epoch()  # warm
        pairs = [
            (seconds(epoch, device), seconds(peer.train_epoch, device)) for _ in range(given.pairs)
        ]
        ours = statistics.median(mine for mine, _ in pairs)
        ratios = [theirs * size / mine for mine, theirs in pairs]
        share = busy_share(epoch, device)
        yield {
            "model": name,
            "batch": given.batch,
            "way": label,
            "models at once": size,
            "s an epoch": round(ours, 4),
            "plain, s": round(statistics.median(theirs for _, theirs in pairs), 3),
            "plain's loader processes": loaders,
            "times as many epochs": round(statistics.median(ratios), 1),
            "from": round(min(ratios), 1),
            "to": round(max(ratios), 1),
            "GPU busy": "" if share is None else f"{share:.0%}",
            "peak, MiB": round(torch.cuda.max_memory_allocated(device) / 2**20)
            if device.type == "cuda" else "",
            "floor, s": round(size * floor, 5),
        }  # fmt: skip


def sides(most: int, device: torch.device) -> list[tuple[str, Take, int]]:
    """Ways to take steps, and of how many models."""
    found: list[tuple[str, Take, int]] = [("eager", one_by_one, 1)]
    sizes = [size for size in (2, 4, 8, 16, 32, 64) if size <= most]
    if device.type == "cuda":
        found += [("graphed", GraphedSteps(), 1)]
        found += [("graphed and stacked", GraphedSteps(), size) for size in sizes]
    else:
        found += [("stacked", StackedSteps(), size) for size in sizes]
    return found


def study(model: dict[str, Any], given: Any) -> StudyFile:
    return study_file(
        task=task_of_plain(train=given.train, validation=given.validation),
        trial={"batch_size": given.batch, "model": model, "optimizer": {"kind": "adam"}},
    )


def fresh(
    file: StudyFile, config: TrialConfig, data: DeviceData, size: int, precision: Precision
) -> list[Training]:
    return [
        Training(file.study.task, config, data, seed=seed, precision=precision)
        for seed in range(size)
    ]


def epoch_of(trainings: list[Training], take: Take) -> Callable[[], object]:
    return lambda: drive(together([training.advance() for training in trainings]), take)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--most", type=int, default=64, help="models at once")
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--train", type=int, default=16384)
    options.add_argument("--validation", type=int, default=2048)
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    options.add_argument("--device", default="cuda")
    given = options.parse_args()
    device = torch.device(given.device)
    folder = Path(tempfile.mkdtemp(prefix="hpo-gpu-"))
    speed = rates(device)
    what = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    what += f": {speed[0] / 1e12:.2f} TFLOP/s of matrix products, {speed[1] / 1e9:.0f} GB/s"
    results = Results("gpu", given.out)
    results.sum_up("device", what)
    for name in given.models:
        for row in measure(name, given, device, folder, speed):
            results.row(row)
    results.save()


if __name__ == "__main__":
    main()
