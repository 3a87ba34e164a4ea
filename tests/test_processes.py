"""How many workers, where, with how many threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import until

from autoencoder_hpo import processes
from autoencoder_hpo.processes import Fleet, Slot, slots
from autoencoder_hpo.settings import Settings


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(processes, "usable_cores", lambda: request.param)


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
    monkeypatch.setattr(processes, "may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
    monkeypatch.setattr(processes, "usable_cores", lambda: 16)


def test_one_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 4)
    assert slots(None, None) == [Slot(f"cuda:{n}", 4) for n in range(4)]
    assert slots("cuda", None) == slots(None, None)
    assert slots("cuda:2", None) == [Slot("cuda:2", 16)]


def test_more_workers_than_gpus_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    assert [slot.device for slot in slots(None, 3)] == ["cuda:0", "cuda:1", "cuda:0"]


def test_usable_cores_are_those_of_this_process() -> None:
    assert processes.usable_cores() >= 1


def test_places_on_a_machine_without_a_gpu_are_known_without_torch() -> None:
    program = (
        "import sys; from autoencoder_hpo import processes; processes.may_have_gpu = lambda: False; "
        "processes.slots(None, None); processes.slots('cpu', 2); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is always asked")
@pytest.mark.parametrize(("mark", "there"), [("null", True), ("no-such-device*", False)])
def test_a_drivers_device_file_means_that_torch_is_asked(
    monkeypatch: pytest.MonkeyPatch, mark: str, there: bool
) -> None:
    monkeypatch.setattr(processes, "GPU_MARKS", (mark,))
    assert processes.may_have_gpu() is there


@pytest.fixture
def held(tmp_path: Path) -> Fleet:
    settings = Settings(home=tmp_path)
    nowhere = "postgresql+psycopg2://nobody@127.0.0.1:1/nothing"
    return Fleet("held", nowhere, [Slot("cpu", 1)] * 2, settings, held=True)


def test_workers_that_are_never_needed_leave_nothing(held: Fleet, tmp_path: Path) -> None:
    assert held.going()
    held.dismiss()
    assert not held.going()
    assert list((tmp_path / "logs").iterdir()) == []


def test_released_workers_are_not_dismissed(held: Fleet, tmp_path: Path) -> None:
    held.release()
    held.dismiss()
    assert held.going()
    held.stop(now=lambda: True)
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_held_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from autoencoder_hpo.processes import Fleet, Slot; "
        "from autoencoder_hpo.settings import Settings; "
        f"settings = Settings(home=Path({str(tmp_path)!r})); "
        "fleet = Fleet('held', 'sqlite:///never', [Slot('cpu', 1)], settings, held=True); "
        "print(fleet._workers[0][0].pid, flush=True); os._exit(0)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    pid = int(said.stdout)
    until(lambda: not running(pid), seconds=60)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
