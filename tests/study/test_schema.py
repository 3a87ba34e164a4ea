"""What an editor sees: a schema that agrees with the check of a study file."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.study import load_study
from autoencoder_hpo.study.schema import json_schema
from autoencoder_hpo.study.yamlfile import parse_yaml

QUICKSTART = (Path(__file__).parents[2] / "studies" / "quickstart.yaml").read_text()
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

TASK = {"data": {"dataset": "digits"}, "corruption": {"kind": "none"}, "epochs": 3}
MLP = {"kind": "mlp", "depth": 2}


def study(trial: Any = None, **other: Any) -> dict[str, Any]:
    trial = {"model": MLP, **(trial or {})}
    return {"name": "x", "task": TASK, "search": {"trials": 3}, "trial": trial, **other}


def accepts(tree: dict[str, Any]) -> bool:
    return VALIDATOR.is_valid(tree)


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert accepts(study())


@pytest.mark.parametrize(
    "trial",
    [
        {"batch_size": {"int": [1, 8]}},
        {"batch_size": {"int": [1, 8], "log": True}},
        {"batch_size": {"int": [2, 8], "step": 2}},
        {"batch_size": [1, 2]},
        {"loss": ["mse", "l1"]},
        {"standardize": [True, False]},
        {"gradient_clip": {"choice": [None, {"float": [0.1, 1]}]}},
        {"gradient_clip": [None, 1.0]},
        {"l1": {"float": [0, 1], "step": 0.5}},
        {"optimizer": {"kind": ["adam", "sgd"], "learning_rate": {"float": [0.1, 1]}}},
        {"optimizer": {"choice": [{"kind": "adam"}, {"kind": "sgd", "momentum": [0.5, 0.9]}]}},
        {"model": {"kind": "unet", "depth": {"int": [1, 2]}, "activation": ["relu", "gelu"]}},
        {"model": {"choice": [MLP, {"kind": "unet", "growth": {"float": [1, 2]}}]}},
        {"corruption": {"choice": [None, {"kind": "gaussian", "sigma": {"float": [0.1, 1]}}]}},
        {"corruption": {"kind": "gaussian", "sigma": [0.1, 0.2]}},
        {"schedule": {"kind": ["constant", "cosine"]}},
    ],
)
def test_every_field_of_a_trial_may_be_searched(trial: Any) -> None:
    assert accepts(study(trial))


@pytest.mark.parametrize(
    "trial",
    [
        {"batch_size": {"float": [1, 8]}},
        {"batch_size": {"int": [1, 8.5]}},
        {"batch_size": {"int": [1]}},
        {"batch_size": {"int": [1, 2], "logg": True}},
        {"batch_size": []},
        {"batch_size": "many"},
        {"batch_sise": 3},
        {"loss": "msee"},
        {"loss": ["msee"]},
        {"loss": {"int": [1, 2]}},
        {"model": {"kind": "unett"}},
        {"model": {"kind": "mlp", "depht": 2}},
        {"model": {"kind": "mlp", "depth": {"int": ["a", "b"]}}},
        {"model": {"choice": [{"kind": "unett"}]}},
        {"model": [MLP]},
        {"optimizer": {"kind": ["adam", "sdg"]}},
        {"corruption": {"kind": "gaussian", "sigm": 1}},
    ],
)
def test_a_typo_in_a_trial_is_refused(trial: Any) -> None:
    assert not accepts(study(trial))


@pytest.mark.parametrize(
    ("part", "good"),
    [
        ({"search": {"sampler": "tpe", "pruner": "none", "timeout": "1h30m"}}, True),
        ({"search": {"sampler": {"kind": "qmc", "sequence": "halton"}, "timeout": 60}}, True),
        ({"search": {"sampler": "tp"}}, False),
        ({"search": {"pruner": {"kind": "median", "warmup": 3}}}, False),
        ({"search": {"timeout": "soon"}}, False),
        ({"search": {"trails": 3}}, False),
        ({"task": TASK | {"epochs": {"int": [1, 2]}}}, False),
        ({"task": TASK | {"corruption": {"kind": "gaussian", "sigma": [0.1, 0.2]}}}, False),
        ({"task": TASK | {"data": {"dataset": "fasion_mnist"}}}, False),
        ({"name": "No!"}, False),
        ({"nmae": "x"}, False),
    ],
)
def test_the_task_and_the_search_hold_no_ranges(part: Any, good: bool) -> None:
    assert accepts(study(**part)) == good


def test_descriptions_reach_the_editor() -> None:
    unet = SCHEMA["$defs"]["searched_UnetConfig"]["properties"]
    assert unet["depth"]["description"] == "How often the resolution is halved."
    assert unet["depth"]["default"] == 2
    assert "title" not in unet["depth"]


def test_schema_and_check_agree_about_the_quickstart(tmp_path: Path) -> None:
    """Every key of the file misspelt, one after the other: both refuse it."""
    lines = QUICKSTART.splitlines()
    keys = [
        (number, line.partition(":")[0])
        for number, line in enumerate(lines)
        if ":" in line and not line.strip().startswith(("#", "-"))
    ]
    assert len(keys) > 10
    for number, key in keys:
        broken = [*lines[:number], lines[number].replace(key, f"{key}x", 1), *lines[number + 1 :]]
        path = tmp_path / "broken.yaml"
        path.write_text("\n".join(broken))
        assert not accepts(parse_yaml(path.read_text(), path).tree), key
        with pytest.raises(StudyError, match=r"unknown key|is missing"):
            load_study(path)
