"""How many workers, where, with how many threads."""

import pytest
import torch

from autoencoder_hpo import fleet
from autoencoder_hpo.fleet import Slot, slots


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(fleet, "usable_cores", lambda: request.param)


@pytest.mark.parametrize(
    ("cores", "workers", "threads"),
    [(1, None, [1]), (2, None, [1, 1]), (16, None, [2] * 8), (8, 2, [4, 4]), (2, 3, [1] * 3)],
    indirect=["cores"],
)
@pytest.mark.usefixtures("cores")
def test_cpu_workers_share_the_cores(workers: int | None, threads: list[int]) -> None:
    assert slots("cpu", workers) == [Slot("cpu", number) for number in threads]


def test_no_workers_where_none_are_wanted() -> None:
    assert slots("cpu", 0) == []


def gpus(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
    monkeypatch.setattr(fleet, "usable_cores", lambda: 16)


def test_one_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 4)
    assert slots(None, None) == [Slot(f"cuda:{n}", 4) for n in range(4)]
    assert slots("cuda", None) == slots(None, None)
    assert slots("cuda:2", None) == [Slot("cuda:2", 16)]


def test_more_workers_than_gpus_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    assert [slot.device for slot in slots(None, 3)] == ["cuda:0", "cuda:1", "cuda:0"]


def test_usable_cores_are_those_of_this_process() -> None:
    assert fleet.usable_cores() >= 1
