"""YAML files read with their line numbers, and without YAML 1.1's surprises.

Numbers and booleans are those of YAML 1.2: `1e-3` is a number, `no` and `2024-01-01` are text.
A key that occurs twice is an error instead of a silent loss.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.settings import packaged
from autoencoder_hpo.space import Tree
from autoencoder_hpo.space.holes import Path, show

MOST_NODES = 20_000
TAG = "tag:yaml.org,2002:"
PLAIN = {TAG + name for name in ("map", "seq", "str", "null", "bool", "int", "float")}


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, and the line on which each path of it begins."""

    tree: Tree
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a path; of what it would be in, for a path that is not there."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def read_text(path: FilePath) -> str:
    """The text of a study file. Raises StudyError when there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problem = "there is no such file"
    except IsADirectoryError:
        problem = "is a directory; name a study file in it"
    except UnicodeDecodeError:
        problem = "not a study file: it holds bytes that are not UTF-8 text"
    except (OSError, ValueError) as error:  # a null byte in a path is a ValueError
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error})"
    raise StudyError(path, [problem])


def parse_yaml(text: str, where: object) -> Document:
    """Read one YAML mapping.

    Raises:
        StudyError: with the line of what is not YAML, or not a mapping, or there twice.
    """
    try:
        return _parse(text, where)
    except yaml.MarkedYAMLError as error:
        raise StudyError(where, [_syntax(error)]) from error
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise StudyError(where, [f"not a study file: not YAML text ({first})"]) from error
    except RecursionError as error:
        message = "is nested too deeply, or refers to itself"
        raise StudyError(where, [message]) from error


def _parse(text: str, where: object) -> Document:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            example = packaged("studies/quickstart.yaml")
            raise StudyError(where, [f"is empty; {example} shows what belongs here"])
        walk = _Walk(loader)
        tree = walk.value(root, ())
    finally:
        loader.dispose()
    if walk.problems:
        raise StudyError(where, walk.problems)
    if not isinstance(tree, dict):
        found = f"found {show(tree)}; must be a mapping of name, task, search and trial"
        raise StudyError(where, [(walk.lines[()], found)])
    return Document(tree, walk.lines)


class _Loader(yaml.SafeLoader):
    """SafeLoader that takes fewer texts for something else."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - how PyYAML says: those of the base are not used


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[0-9][0-9_]*[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(TAG + _tag, re.compile(rf"(?:{_pattern})\Z"), _first)


class _Walk:
    """Builds plain values from YAML's nodes, and remembers where each stood."""

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader
        self.lines: dict[Path, int] = {}
        self.problems: list[tuple[int, str]] = []
        self.merged: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        self.lines.setdefault(path, _line(node))
        if len(self.lines) > MOST_NODES:  # a few aliases of aliases are millions of values
            raise RecursionError
        if node.tag not in PLAIN:
            raise _refused(f"found the tag {node.tag}, and a study holds plain values", node)
        match node:
            case MappingNode():
                return self._mapping(node, path)
            case SequenceNode():
                return [self.value(sub, (*path, i)) for i, sub in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _mapping(self, node: MappingNode, path: Path) -> dict[Any, Any]:
        if id(node) not in self.merged:  # an alias leads here again
            self.merged.add(id(node))
            self._refuse_twins(node, path)
            self.loader.flatten_mapping(node)  # `<<: *other` puts the other's keys first
        found: dict[Any, Any] = {}
        for key_node, sub in node.value:
            key = self._key(key_node)
            self.lines[*path, key] = _line(key_node)
            found[key] = self.value(sub, (*path, key))
        return found

    def _refuse_twins(self, node: MappingNode, path: Path) -> None:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == f"{TAG}merge":
                continue
            key = self._key(key_node)
            if key in seen:
                name = ".".join(map(str, (*path, key)))
                text = f"{name}: found twice; the first is on line {seen[key]}"
                self.problems.append((_line(key_node), text))
            seen[key] = _line(key_node)

    def _key(self, node: Node) -> Any:
        if not isinstance(node, ScalarNode) or node.tag not in PLAIN:
            raise _refused("found a key that is not plain text", node)
        return self._scalar(node)

    def _scalar(self, node: Node) -> Any:
        try:
            return self.loader.construct_object(node)
        except (ValueError, LookupError) as error:  # such as a number of 5,000 digits
            raise _refused("found a value that cannot be read", node) from error


def _refused(problem: str, node: Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax(error: yaml.MarkedYAMLError) -> str | tuple[int, str]:
    """What PyYAML minds, such as: while parsing a flow sequence, expected ',' or ']'."""
    said = ", ".join(filter(None, (error.context, error.problem)))
    text = f"not YAML: {' '.join(said.split())}"
    mark = error.problem_mark or error.context_mark
    return text if mark is None else (mark.line + 1, text)
