"""A space is filled, counted out and inverted. Counts are worked out by hand."""

import re
from itertools import product
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.space import (
    FixedSuggester,
    Parameter,
    SpaceError,
    architectures,
    cell_count,
    cells,
    corner_count,
    corners,
    fill,
    inner_points,
    parameters,
    to_params,
)
from autoencoder_hpo.space.holes import space_problems

MLP = {"kind": "mlp", "depth": {"int": [1, 3]}, "taper": {"float": [0.5, 1.0], "step": 0.1}}
UNET = {"kind": "unet", "channels": [8, 16], "dropout": {"float": [0.0, 0.5]}}
SPACE: dict[str, Any] = {
    "model": {"choice": [MLP, UNET]},
    "optimizer": {"kind": "adam", "learning_rate": {"float": [1e-4, 1e-2], "log": True}},
    "schedule": {"kind": ["constant", "plateau"]},
    "loss": "mse",
}


def names(tree: dict[str, Any]) -> list[str]:
    return [parameter.name for parameter in parameters(tree)]


def problem(tree: dict[str, Any]) -> str:
    [found] = space_problems(tree)
    return str(found)


# ---- names -----------------------------------------------------------------------------


def test_a_name_is_the_path_with_the_chosen_kind_in_it() -> None:
    assert names(SPACE) == [
        "model",
        "model.mlp.depth",
        "model.mlp.taper",
        "model.unet.channels",
        "model.unet.dropout",
        "optimizer.adam.learning_rate",
        "schedule.kind",
    ]


def test_siblings_of_a_searched_kind_have_plain_names() -> None:
    tree = {"optimizer": {"kind": ["adam", "sgd"], "learning_rate": [0.1, 0.2]}}
    assert names(tree) == ["optimizer.kind", "optimizer.learning_rate"]


def test_options_of_one_kind_are_numbered() -> None:
    small, large = {"kind": "unet", "depth": [1, 2]}, {"kind": "unet", "depth": [3, 4]}
    tree = {"model": {"choice": [small, large, small | {"growth": 1}]}}
    assert parameters(tree)[0].choices == ("unet", "unet_2", "unet_3")
    assert names(tree)[1:] == ["model.unet.depth", "model.unet_2.depth", "model.unet_3.depth"]
    assert fill(tree, FixedSuggester({"model": "unet_2"})).config == {
        "model": {"kind": "unet", "depth": 3}
    }


def test_an_option_may_be_a_value_a_range_or_nothing() -> None:
    tree = {"gradient_clip": {"choice": [None, 5, {"float": [0.1, 1.0], "log": True}]}}
    clip, number = parameters(tree)
    assert clip.choices == (None, 5, "float")
    assert (number.name, number.conditional) == ("gradient_clip.float", True)
    assert fill(tree, FixedSuggester({"gradient_clip": None})).config == {"gradient_clip": None}
    assert fill(tree, FixedSuggester({"gradient_clip": 5})).config == {"gradient_clip": 5}
    assert to_params(tree, {"gradient_clip": 0.5}) == {
        "gradient_clip": "float",
        "gradient_clip.float": 0.5,
    }


def test_an_option_whose_kind_is_searched_is_named_after_its_kinds() -> None:
    tree = {"optimizer": {"choice": [{"kind": ["adam", "adamw"]}, {"kind": "sgd"}]}}
    assert names(tree) == ["optimizer", "optimizer.adam_or_adamw.kind"]


def test_conditional_parameters_are_those_below_a_choice_of_several() -> None:
    conditional = {p.name for p in parameters(SPACE) if p.conditional}
    assert conditional == {
        "model.mlp.depth",
        "model.mlp.taper",
        "model.unet.channels",
        "model.unet.dropout",
    }
    alone = {"model": {"choice": [MLP]}}
    assert not any(parameter.conditional for parameter in parameters(alone))


# ---- filling ---------------------------------------------------------------------------


def test_an_optuna_trial_fills_a_space_with_what_its_parameters_say() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen: set[str] = set()
    for _ in range(20):
        trial = study.ask()
        filled = fill(SPACE, trial)
        seen |= set(trial.params)
        assert to_params(SPACE, filled.config) == trial.params
        TrialConfig.model_validate(filled.config)
    assert seen == set(names(SPACE))


def test_origins_name_the_place_in_the_space() -> None:
    origin = fill(SPACE, FixedSuggester({"model": "unet"})).origin
    assert origin["model", "channels"] == ("model", "choice", 1, "channels")
    assert origin["optimizer", "learning_rate"] == ("optimizer", "learning_rate")
    assert origin["model",] == ("model", "choice", 1)


def test_a_tree_without_holes_stays_as_written() -> None:
    plain = {"model": {"kind": "mlp", "width": 4}, "batch_size": 8}
    assert fill(plain, FixedSuggester({})).config == plain
    assert (parameters(plain), corner_count(plain), cell_count(plain)) == ([], 1, 1)


# ---- counting out ----------------------------------------------------------------------


def test_corners_are_both_ends_and_every_choice() -> None:
    # mlp: 2 depths × 2 tapers; unet: 2 channels × 2 dropouts; × 2 learning rates × 2 schedules.
    found = corners(SPACE)
    assert len(found) == corner_count(SPACE) == (2 * 2 + 2 * 2) * 2 * 2
    models = {tuple(filled.config["model"].values()) for filled in found}
    assert models == {
        *product(["mlp"], [1, 3], [0.5, 1.0]),
        *product(["unet"], [8, 16], [0.0, 0.5]),
    }


def test_cells_count_out_the_conditional_parts_of_a_space() -> None:
    # mlp: 3 depths × 6 tapers; unet: 2 channels × 3 dropouts; × 2 learning rates × 2 schedules.
    unet = UNET | {"dropout": {"float": [0.0, 0.5], "step": 0.25}}
    adam = {"kind": "adam", "learning_rate": [1e-3, 1e-2]}
    tree = SPACE | {"model": {"choice": [MLP, unet]}, "optimizer": adam}
    found = list(cells(tree))
    assert len(found) == cell_count(tree) == (3 * 6 + 2 * 3) * 2 * 2
    assert len({frozenset(cell.items()) for cell in found}) == len(found)
    assert found == list(cells(tree)), "the order is fixed: a cell is known by its number"
    tapers = {cell["model.mlp.taper"] for cell in found if cell["model"] == "mlp"}
    assert tapers == {0.5, 0.6, 0.7, 0.8, 0.9, 1.0}
    assert all("model.mlp.depth" not in cell for cell in found if cell["model"] == "unet")


def test_two_by_three_by_two_is_twelve() -> None:
    tree = {"a": [1, 2], "b": {"int": [0, 4], "step": 2}, "c": {"kind": "x", "d": [True, False]}}
    assert list(cells(tree)) == [
        {"a": a, "b": b, "c.x.d": d} for a in (1, 2) for b in (0, 2, 4) for d in (True, False)
    ]


@pytest.mark.parametrize(
    ("hole", "message"),
    [
        (
            {"float": [0.0, 0.5]},
            "found [0.0, 0.5], a continuous range; a grid needs a list of values or a step",
        ),
        (
            {"int": [1, 8], "log": True},
            "found [1, 8], a log range; a grid needs a list of values or a step",
        ),
        ({"int": [1, 1_000_001]}, "found 1,000,001 cells; a grid has at most 1,000,000"),
    ],
)
def test_some_spaces_have_no_cells(hole: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        cells({"model": {"kind": "mlp", "dropout": hole}})
    assert str(caught.value) == message


def test_a_large_space_is_sampled_and_every_end_occurs() -> None:
    fields = {f"f{i}": {"int": [0, i + 1]} for i in range(30)}
    rare = {"kind": "rare", "x": {"float": [0.5, 1.5]}, "y": ["a", "b", "c"]}
    tree = {**fields, "model": {"choice": [{"kind": "plain", **fields}, rare]}}
    assert corner_count(tree) == 2**30 * (2**30 + 2 * 3)
    found = corners(tree, limit=200)
    assert len(found) == 200
    assert found == corners(tree, limit=200)
    for index in range(30):
        assert {filled.config[f"f{index}"] for filled in found} == {0, index + 1}
    rares = [f.config["model"] for f in found if f.config["model"]["kind"] == "rare"]
    assert {model["x"] for model in rares} == {0.5, 1.5}
    assert {model["y"] for model in rares} == {"a", "b", "c"}


def test_inner_points_are_between_the_ends() -> None:
    assert [point.config["model"]["depth"] for point in inner_points(SPACE)] == [2]


def test_architectures_are_models_that_differ_by_more_than_degree() -> None:
    # mlp: 3 depths × 6 tapers; unet: 2 channels, whose dropout is a matter of degree.
    assert architectures(SPACE) == 3 * 6 + 2
    assert architectures({"model": {"kind": "mlp", "width": {"int": [1, 64], "log": True}}}) == 64
    assert architectures({"batch_size": [1, 2]}) == 1


# ---- wrong holes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hole", "message"),
    [
        ({"int": [5, 1]}, "found [5, 1]; the low end must be below the high"),
        ({"float": [1.0, 1.0]}, "found [1.0, 1.0]; the low end must be below the high"),
        (
            {"float": [0, 1], "log": True},
            "found [0, 1]; a log range must start above 0",
        ),
        (
            {"int": [-1, 1], "log": True},
            "found [-1, 1]; a log range must start above 0",
        ),
        ({"int": [1, 9], "step": 2, "log": True}, "found step: 2; a log range takes no step"),
        ({"int": [1, 9], "step": 0}, "found step: 0; must be a number above 0"),
        ({"int": [1, 9], "step": -2}, "found step: -2; must be a number above 0"),
        ({"int": [1, 9], "step": "x"}, "found step: 'x'; must be a number above 0"),
        ({"int": [1, 9], "step": 9}, "found step: 9; must not be longer than [1, 9]"),
        (
            {"int": [1, 8], "step": 2},
            "found [1, 8] with step 2; the high end must be 7 or 9",
        ),
        (
            {"float": [0.1, 0.45], "step": 0.1},
            "found [0.1, 0.45] with step 0.1; the high end must be 0.4 or 0.5",
        ),
        (
            {"float": [0, 1], "step": 1e-9},
            "found step: 1e-09; [0.0, 1.0] has over a million: omit step",
        ),
        ({"int": [1, 2.5]}, "found 2.5; an int range takes whole numbers up to 2^53"),
        ({"int": [1, 10**20]}, f"found {10**20}; an int range takes whole numbers up to 2^53"),
        ({"float": [1, 10**400]}, f"found {'1' + '0' * 56}...; must be a finite number"),
        ({"float": [0, float("inf")]}, "found inf; must be a finite number"),
        ({"int": [1]}, "found int: [1]; a range is two numbers, [low, high]"),
        ({"int": [1, 2, 3]}, "found int: [1, 2, 3]; a range is two numbers, [low, high]"),
        ({"int": ["a", 2]}, "found int: ['a', 2]; a range is two numbers, [low, high]"),
        ({"int": [False, True]}, "found int: [false, true]; a range is two numbers, [low, high]"),
        ({"float": 3}, "found float: 3; a range is two numbers, [low, high]"),
        ({"float": [1, 2], "log": "yes"}, "found log: 'yes'; must be true or false"),
        (
            {"float": [1, 2], "logg": True},
            "unknown key logg (did you mean log?); allowed beside float: step, log",
        ),
        (
            {"int": [1, 2], "float": [1, 2]},
            "unknown key float; allowed beside int: step, log",
        ),
        ({"choice": [1], "log": True}, "unknown key log; allowed beside choice: nothing"),
        ({"flaot": [1, 2]}, "unknown key flaot (did you mean float?)"),
        ([], "found []; a list needs at least one value"),
        ({"choice": []}, "found {choice: []}; choice: takes a list of options"),
        ({"choice": 3}, "found {choice: 3}; choice: takes a list of options"),
        ([1, 2, 1], "found 1 and 1; a list holds each value once"),
        ([1, True], "found 1 and true; a list holds each value once"),
        ({"choice": [None, None]}, "found null and null; a choice holds each value once"),
        (
            [{"kind": "mlp"}, {"kind": "unet"}],
            "found [{kind: 'mlp'}, {kind: 'unet'}]; a list holds plain values: whole sub-configs "
            "go into {choice: [{...}, {...}]}",
        ),
        (
            {"choice": [[1, 2]]},
            "found [[1, 2]]; a choice holds plain values: whole sub-configs go into "
            "{choice: [{...}, {...}]}",
        ),
        ([float("nan"), 1.0], "found nan; must be a finite number"),
    ],
)
def test_a_wrong_hole_says_what_is_allowed(hole: Any, message: str) -> None:
    assert problem({"field": hole}) == message
    with pytest.raises(SpaceError):
        fill({"field": hole}, FixedSuggester({}))


def test_all_wrong_holes_are_said_at_once_with_their_paths() -> None:
    tree = {"a": [], "model": {"choice": [{"kind": "mlp", "depth": {"int": [2, 1]}}]}}
    assert [found.path for found in space_problems(tree)] == [
        ("a",),
        ("model", "choice", 0, "depth"),
    ]


@pytest.mark.parametrize("tree", [3, None, [], {"choice": [{}]}, {"int": [1, 2]}])
def test_a_space_is_a_mapping_of_fields(tree: Any) -> None:
    assert problem(tree).endswith("must be a mapping of fields, such as model:")


# ---- back to parameters ----------------------------------------------------------------


def test_a_partial_config_fixes_only_its_own_parameters() -> None:
    assert to_params(SPACE, {}) == {}
    assert to_params(SPACE, {"model": "unet"}) == {"model": "unet"}
    assert to_params(SPACE, {"model": {"kind": "mlp", "depth": 2}, "loss": "mse"}) == {
        "model": "mlp",
        "model.mlp.depth": 2,
    }
    assert to_params(SPACE, {"model": {"channels": 16}}) == {
        "model": "unet",
        "model.unet.channels": 16,
    }


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        (
            {"optimizer": {"learning_rate": 1}},
            "optimizer.learning_rate",
            "found 1; allowed: numbers from 0.0001 to 0.01",
        ),
        (
            {"model": {"kind": "mlp", "depth": 2.5}},
            "model.depth",
            "found 2.5; allowed: whole numbers from 1 to 3",
        ),
        (
            {"model": {"kind": "mlp", "taper": 0.55}},
            "model.taper",
            "found 0.55; allowed: numbers from 0.5 to 1.0 in steps of 0.1",
        ),
        ({"model": {"kind": "unet", "channels": 9}}, "model.channels", "found 9; allowed: 8, 16"),
        ({"model": {"kind": "conv"}}, "model", "found 'conv'; allowed: mlp, unet"),
        ({"model": 3}, "model", "found 3; allowed: mlp, unet"),
        ({"loss": "l1"}, "loss", "found 'l1'; the space fixes it to 'mse'"),
        (
            {"optimizer": {"kind": "sgd"}},
            "optimizer.kind",
            "found 'sgd'; the space fixes it to 'adam'",
        ),
        (
            {"optimizer": "adam"},
            "optimizer",
            "found 'adam'; must be a mapping of kind, learning_rate",
        ),
        (
            {"batch": 3},
            "batch",
            "unknown key batch; the space has: model, optimizer, schedule, loss",
        ),
        ({"schedule": {"kind": True}}, "schedule.kind", "found true; allowed: constant, plateau"),
    ],
)
def test_a_config_outside_the_space_says_where(config: Any, path: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        to_params(SPACE, config)
    assert (".".join(map(str, caught.value.path)), str(caught.value)) == (path, message)


# ---- any space -------------------------------------------------------------------------


def ints(low: int, high: int) -> st.SearchStrategy[Any]:
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).filter(lambda e: e[0] < e[1])
    plain = ends.map(lambda e: {"int": list(e)})
    log = ends.map(lambda e: {"int": [max(e[0], 1), e[1] + 1], "log": True})
    return st.one_of(st.integers(low, high), listed(st.integers(low, high)), plain, log)


def floats(low: float, high: float) -> st.SearchStrategy[Any]:
    number = st.floats(low, high)
    ends = st.tuples(number, number).filter(lambda e: e[0] < e[1])
    plain = ends.map(lambda e: {"float": list(e)})
    quarters = st.integers(1, int((high - low) * 4)).map(
        lambda n: {"float": [low, low + n / 4], "step": 0.25}
    )
    return st.one_of(number, listed(number), plain, quarters)


def listed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=1, max_size=4, unique=True)


def choice(option: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(option, min_size=1, max_size=3).map(lambda options: {"choice": options})


def sub_config(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"kind": kind}, optional=fields)


mlp = sub_config(st.just("mlp"), depth=ints(1, 14), width=ints(1, 999), dropout=floats(0.0, 0.5))
unet = sub_config(st.just("unet"), depth=ints(1, 7), growth=floats(0.25, 3.0))
models = mlp | unet
optimizers = sub_config(
    st.sampled_from(["adam", "sgd", ["adam", "rmsprop"]]),
    learning_rate=floats(0.001, 1.0),
    weight_decay=st.just({"choice": [0.0, {"float": [0.5, 1.5]}]}),
)
spaces = st.fixed_dictionaries(
    {"model": models | choice(models)},
    optional={
        "optimizer": optimizers | choice(optimizers),
        "batch_size": ints(1, 256),
        "gradient_clip": st.just({"choice": [None, {"float": [0.5, 2.0]}]}),
        "standardize": listed(st.booleans()),
    },
)


class Drawn:
    """A suggester that lets hypothesis decide."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw.draw
        self.params: dict[str, Any] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if step is None:
            return self._keep(name, self.draw(st.floats(low, high)))
        return self._keep(name, low + step * self.draw(st.integers(0, round((high - low) / step))))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return self._keep(name, self.draw(st.integers(0, (high - low) // step)) * step + low)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._keep(name, self.draw(st.sampled_from(list(choices))))

    def _keep(self, name: str, value: Any) -> Any:
        assert name not in self.params, "one name, one question"
        self.params[name] = value
        return value


@settings(max_examples=150)
@given(spaces, st.data())
def test_filling_is_undone_by_to_params(space: dict[str, Any], data: st.DataObject) -> None:
    filled = fill(space, Drawn(data))
    again = fill(space, FixedSuggester(to_params(space, filled.config)))
    assert again.config == filled.config


@settings(max_examples=100)
@given(spaces)
def test_every_corner_is_a_trial_config(space: dict[str, Any]) -> None:
    found = corners(space, limit=100)
    assert found
    for filled in [*found, *inner_points(space)]:
        TrialConfig.model_validate(filled.config)


def ambiguous(parameter: Parameter) -> bool:
    """Whether two options of a choice can make the same config."""
    kinds = [
        re.sub(r"_\d$", "", kind)
        for label in parameter.choices
        if isinstance(label, str)
        for kind in label.split("_or_")
    ]
    return len(kinds) != len(set(kinds))


@settings(max_examples=100)
@given(spaces)
def test_corners_cover_every_value_and_number_what_they_should(space: dict[str, Any]) -> None:
    found = corners(space, limit=50)
    total = corner_count(space)
    assert len(found) == min(total, 50)
    seen: dict[str, set[Any]] = {}
    for filled in found:
        for name, value in to_params(space, filled.config).items():
            seen.setdefault(name, set()).add(value)
    if not any(map(ambiguous, parameters(space))):
        for parameter in parameters(space):
            ends = parameter.choices or (parameter.low, parameter.high)
            assert seen[parameter.name] >= set(ends)


@settings(max_examples=100)
@given(spaces, st.data())
def test_optuna_accepts_every_hole_as_it_is(space: dict[str, Any], data: st.DataObject) -> None:
    """Warnings are errors here: Optuna would adjust a range that its step does not divide."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    filled = fill(space, Drawn(data))
    study.enqueue_trial(to_params(space, filled.config))
    assert fill(space, study.ask()).config == filled.config
