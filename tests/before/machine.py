"""On what machine something was computed: elsewhere its last bits may differ."""

from pathlib import Path

import torch


def machine() -> dict[str, str]:
    """The processor and the version of torch. Where both are the same, so are the bits."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    known = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    names = ("model name", "cpu family", "model", "stepping")
    return {
        "processor": " / ".join(known.get(name, "?") for name in names),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }
