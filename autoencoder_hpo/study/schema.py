"""The JSON Schema of a study file, with which editors complete and check it while one types.

It is pydantic's schema of a study, in which every field of `trial` also takes a range, a list
or a choice. An editor cannot try corners: `autoencoder-hpo check` says the last word.
"""

import copy
from collections.abc import Iterator
from typing import Any

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.study.config import StudyConfig

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SEARCHED = "searched_"  # definitions whose fields may be holes
KEPT_OUTSIDE = ("title", "description", "default")  # what an editor shows of a field


def json_schema() -> Schema:
    """JSON Schema, draft 2020-12, of a study file."""
    study = StudyConfig.model_json_schema()
    trial = _renamed(TrialConfig.model_json_schema())
    kinds = trial.pop("$defs")
    for definition in [*kinds.values(), trial]:
        _open_fields(definition, kinds)
    ranges = {f"{kind}_range": _range(kind) for kind in ("int", "float")}
    definitions = {**study["$defs"], **kinds, **ranges, "trial": trial}
    search = definitions["SearchConfig"]["properties"]
    for key in ("sampler", "pruner"):
        search[key] = _also_bare(search[key])
    study["properties"]["trial"] = {
        "$ref": "#/$defs/trial",
        "description": study["properties"]["trial"]["description"],
    }
    ordered = {"$schema": DIALECT, **study, "$defs": dict(sorted(definitions.items()))}
    return _without_titles(ordered)


def _renamed(schema: Schema) -> Schema:
    """The task's corruption takes no holes and the trial's does: they need two definitions."""

    def rename(part: Any) -> Any:
        match part:
            case {"$ref": str() as target, **rest}:
                name = target.removeprefix("#/$defs/")
                return {"$ref": f"#/$defs/{SEARCHED}{name}", **rename(rest)}
            case dict():
                return {key: rename(value) for key, value in part.items() if key != "discriminator"}
            case list():
                return [rename(value) for value in part]
            case _:
                return part

    renamed: Schema = rename(schema)
    renamed["$defs"] = {f"{SEARCHED}{name}": part for name, part in renamed["$defs"].items()}
    return renamed


def _open_fields(definition: Schema, definitions: Schema) -> None:
    """Let every field of a mapping be a hole. `kind` stays: it says which mapping this is."""
    for name, field in definition["properties"].items():
        if name == "kind":
            continue
        shown = {key: field[key] for key in KEPT_OUTSIDE if key in field}
        plain = {key: value for key, value in field.items() if key not in KEPT_OUTSIDE}
        if kinds := [definitions[kind] for kind in _refs(plain)]:
            definitions[f"{SEARCHED}{name}"] = {"anyOf": [plain, _any_kind(kinds)]}
            whole = {"$ref": f"#/$defs/{SEARCHED}{name}"}
            forms = [whole, _choice([whole])]
        else:
            forms = _scalar_forms(plain)
        definition["properties"][name] = {"anyOf": forms, **shown}


def _scalar_forms(plain: Schema) -> list[Schema]:
    ranges = [{"$ref": f"#/$defs/{kind}_range"} for kind in _range_kinds(set(_types(plain)))]
    listed = {"type": "array", "items": plain, "minItems": 1, "uniqueItems": True}
    choice = [_choice([plain, *ranges])] if ranges else []
    return [plain, *ranges, listed, *choice]


def _refs(part: Any) -> Iterator[str]:
    """The names of the definitions that a schema is one of."""
    match part:
        case {"$ref": str() as target}:
            yield target.removeprefix("#/$defs/")
        case {"oneOf": parts} | {"anyOf": parts}:
            for each in parts:
                yield from _refs(each)


def _types(field: Schema) -> Iterator[str]:
    if isinstance(field.get("type"), str):
        yield field["type"]
    for part in field.get("anyOf", []):
        yield from _types(part)


def _range_kinds(types: set[str]) -> Iterator[str]:
    if types & {"integer", "number"}:
        yield "int"
    if "number" in types:
        yield "float"


def _range(kind: str) -> Schema:
    number = {"int": "integer", "float": "number"}[kind]
    ends = {"type": "array", "items": {"type": number}, "minItems": 2, "maxItems": 2}
    return {
        "type": "object",
        "properties": {
            kind: {**ends, "description": "The low end and the high end, both included."},
            "step": {
                "type": number,
                "exclusiveMinimum": 0,
                "description": "Only every step-th value.",
            },
            "log": {"type": "boolean", "description": "Draw evenly in orders of magnitude."},
        },
        "required": [kind],
        "additionalProperties": False,
    }


def _choice(options: list[Schema]) -> Schema:
    listed = {"type": "array", "items": {"anyOf": options}, "minItems": 1}
    return {
        "type": "object",
        "properties": {"choice": {**listed, "description": "One of these, as a whole."}},
        "required": ["choice"],
        "additionalProperties": False,
    }


def _any_kind(definitions: list[Schema]) -> Schema:
    """One mapping whose kind is searched: `kind: [adam, sgd]` beside the fields of any of these."""
    kinds = [kind for definition in definitions for kind in _kinds(definition)]
    fields: Schema = {}
    for definition in definitions:
        fields = {**definition["properties"], **fields}
    listed = {"type": "array", "items": {"enum": kinds}, "minItems": 1, "uniqueItems": True}
    return {
        "type": "object",
        "properties": {**fields, "kind": listed},
        "required": ["kind"],
        "additionalProperties": False,
    }


def _kinds(definition: Schema) -> list[str]:
    kind = definition["properties"]["kind"]
    return list(kind["enum"]) if "enum" in kind else [kind["const"]]


def _also_bare(field: Schema) -> Schema:
    """`sampler: tpe` is short for `sampler: {kind: tpe}`."""
    union = {key: value for key, value in field.items() if key not in KEPT_OUTSIDE}
    kinds = list(union["discriminator"]["mapping"])
    shown = {key: field[key] for key in KEPT_OUTSIDE if key in field}
    return {"anyOf": [{"enum": kinds}, union], **shown}


def _without_titles(schema: Schema) -> Schema:
    """Pydantic's titles only repeat the names of fields."""

    def visit(part: Any) -> Any:
        match part:
            case dict():
                return {k: visit(v) for k, v in part.items() if k != "title" or isinstance(v, dict)}
            case list():
                return [visit(value) for value in part]
            case _:
                return copy.copy(part)

    cleaned: Schema = visit(schema)
    return {**cleaned, "title": "A study of autoencoder-hpo"}
