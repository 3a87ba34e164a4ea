"""What made the files beside it: run with commit aff2951, and with no later one.

The files say what that version stored, trained and printed. Whoever makes them anew with another
version takes from the tests what they are there for. For curves to the bit on another machine,
check that commit out, copy this folder into it, and run there

    PYTHONPATH=.:tests python tests/before/make.py curves

This program is kept to be read: its imports are those of that commit.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from before.curves import KINDS, trained
from before.machine import machine
from before.stored import CURVES


def curves() -> None:
    """A line for each model."""
    with tempfile.TemporaryDirectory() as home:
        found = {"-".join(pair): trained(*pair, Path(home)) for pair in KINDS}
    lines = [
        f"{json.dumps(kind)}: [\n" + ",\n".join(map(json.dumps, models)) + "\n]"
        for kind, models in found.items()
    ]
    text = f'{{"machine": {json.dumps(machine())},\n"curves": {{\n' + ",\n".join(lines) + "\n}}\n"
    CURVES.write_text(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"curves": curves}[sys.argv[1]]()
