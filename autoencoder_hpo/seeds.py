"""Seeds for everything random, derived from what they belong to."""

import hashlib


def seed_for(*parts: int | str) -> int:
    """A stable seed in [0, 2**63) for these parts, such as (study seed, "noise", epoch).

    Different parts give unrelated seeds, on every machine and in every version of Python.
    """
    text = "\x1f".join(map(repr, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
