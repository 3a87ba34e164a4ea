"""Files that are there whole or not at all."""

import os
from pathlib import Path

import pytest

from autoencoder_hpo.files import write_atomically


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("durable", [True, False])
def test_the_content_appears_when_the_block_ends(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "result"
    for content in (b"first", b"second"):
        with write_atomically(path, durable=durable) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"first"
        assert content_of(tmp_path) == {"result": content}


def test_an_error_leaves_the_old_content_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(b"old")

    def half() -> None:
        with write_atomically(path) as file:
            file.write(b"half")
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        half()
    assert content_of(tmp_path) == {"result": b"old"}


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_what_came_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("a file system without links")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "result"

    def write(content: bytes) -> None:
        with write_atomically(path, overwrite=False) as file:
            file.write(content)

    write(b"first")
    with pytest.raises(FileExistsError):
        write(b"second")
    assert content_of(tmp_path) == {"result": b"first"}


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "link").symlink_to("other")
    with write_atomically(tmp_path / "link") as file:
        file.write(b"new")
    assert content_of(tmp_path) == {"link": b"new", "other": b"other"}


def test_a_long_name_in_any_script_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("雪" * 80 + ".png")  # 244 bytes of the 255 that a name may have
    with write_atomically(path) as file:
        file.write(b"new")
    assert content_of(tmp_path) == {path.name: b"new"}
