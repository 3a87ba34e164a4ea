"""The texts for people: no sentence is too long to be read once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST = 30  # words
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md")
PAGES = sorted({*NAMES, *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))})

ITEM = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
NO_PROSE = re.compile(r"```.*?```|<!--.*?-->", re.DOTALL)
SENTENCE_END = re.compile(r"(?<=[.!?:;])[)\"'”]*(?:\s+|$)")


@pytest.mark.parametrize("name", PAGES)
def test_no_sentence_is_too_long(name: str) -> None:
    long = [found for found in sentences((ROOT / name).read_text()) if words(found) > LONGEST]
    assert not long, "\n".join(f"{words(found)} words: {found}" for found in long)


def test_code_tables_and_addresses_are_no_prose() -> None:
    page = """# A title
    indented code. It has two sentences.

| a table. | with cells. |

```sh
fenced code. It has two sentences.
```

A [link](https://a.b/c. d) and `code. in a line`, see https://a.b/c for 1.5 dB.
<!-- a mark. -->
"""
    assert list(sentences(page)) == ["A title", "A link and code, see for 1.5 dB."]


def test_sentences_end_with_their_sign_paragraph_or_item() -> None:
    page = """One: two; three. Four (five.) **Six.** Seven
goes on

1. eight
   goes on with 1.9. And on
- nine
"""
    assert list(sentences(page)) == [
        "One:", "two;", "three.", "Four (five.", "Six.", "Seven goes on",
        "eight goes on with 1.9.", "And on", "nine",
    ]  # fmt: skip


def test_words_are_counted_without_signs() -> None:
    assert words("Noise of 0.2 – and no-one's *two*.") == 6


def words(sentence: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def sentences(page: str) -> Iterator[str]:
    for block in _blocks(page):
        yield from filter(words, SENTENCE_END.split(_as_read(block)))


def _blocks(page: str) -> Iterator[str]:
    """Paragraphs, headings and list items, each with its lines joined."""
    block: list[str] = []
    for line in NO_PROSE.sub("", page).splitlines():
        if not block and line.startswith("    "):
            continue
        apart = not line.strip() or line.startswith(("|", "#"))
        if (apart or ITEM.match(line)) and block:
            yield " ".join(block)
            block = []
        if line.startswith("#"):
            yield line.lstrip("# ")
        elif not apart:
            block.append(ITEM.sub("", line).strip())
    if block:
        yield " ".join(block)


def _as_read(block: str) -> str:
    """A link is its words, and a piece of code is one word."""
    named = re.sub(r"`[^`]*`", "code", block)
    linked = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", named)
    bare = re.sub(r"https?://\S+|\*|(?<!\w)_|_(?!\w)", " ", linked)
    return re.sub(r"\s+", " ", bare).strip()
