"""Wrong study files, each answered with one line; right ones, compared and summed up."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.space import parameters
from autoencoder_hpo.study import (
    CmaEs,
    NoPruner,
    Percentile,
    StudyFile,
    Tpe,
    check_summary,
    differences,
    load_study,
    parse_duration,
    parse_study,
    sampler_notes,
)

TINY = """\
name: tiny
task:
  data: {dataset: digits}
  corruption: {kind: gaussian, sigma: 0.2}
  epochs: 4
search: {sampler: tpe, pruner: none, trials: 20}
trial:
  batch_size: [16, 32]
  optimizer:
    kind: adam
    learning_rate: {float: [1.0e-4, 1.0e-2], log: true}
  model:
    choice:
      - {kind: mlp, depth: {int: [1, 3]}, width: 64}
      - {kind: unet, channels: {int: [4, 8]}}
"""
SHIPPED = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


def parse(text: str) -> StudyFile:
    return parse_study(text, where="F", base="/data")


def changed(old: str, new: str) -> str:
    assert TINY.count(old) >= 1, old
    return TINY.replace(old, new, 1)


def error(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        parse(text)
    return str(caught.value)


# ---- reading ---------------------------------------------------------------------------


def test_a_study_is_read_with_short_and_long_forms() -> None:
    study = parse(TINY).study
    assert (study.name, study.task.epochs, study.search.trials) == ("tiny", 4, 20)
    assert study.search.sampler == Tpe(kind="tpe")
    assert study.search.pruner == NoPruner(kind="none")
    long = "{sampler: {kind: cmaes}, pruner: {kind: percentile, percentile: 40}, timeout: 1h30m}"
    two = changed("width: 64", "width: 64, dropout: {float: [0.1, 0.2]}")
    two = two.replace("[16, 32]", "{int: [16, 32]}").replace(
        "{sampler: tpe, pruner: none, trials: 20}", long
    )
    search = parse(two).study.search
    assert search.sampler == CmaEs(kind="cmaes")
    assert search.pruner == Percentile(kind="percentile", percentile=40)
    assert search.timeout == 5400


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "1.e-3", "1.0e-3", ".1e-2", "0.001", "+1e-03"])
def test_every_way_to_write_a_number_is_a_number(number: str) -> None:
    file = parse(changed("{float: [1.0e-4, 1.0e-2], log: true}", number))
    assert file.study.space["optimizer"]["learning_rate"] == 0.001


def test_yaml_has_no_surprises() -> None:
    tree = parse(changed("name: tiny", "name: 'no'\ndescription: 2024-01-31")).study
    assert (tree.name, tree.description) == ("no", "2024-01-31")
    assert "must be text" in error(changed("name: tiny", "name: [x]"))


def test_merge_keys_and_anchors_work() -> None:
    text = changed(
        "- {kind: unet, channels: {int: [4, 8]}}",
        "- &u {kind: unet, depth: 1}\n      - &v {<<: *u, depth: 2}\n      - *v",
    )
    study = parse(text).study
    assert parameters(study.space)[2].choices == ("mlp", "unet", "unet_2", "unet_3")
    assert study.space["model"]["choice"][2:] == [{"kind": "unet", "depth": 2}] * 2


def test_a_file_is_read_from_disk_and_its_folder_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    file = load_study(Path("tiny.yaml"))
    assert (file.where, file.base, file.text) == ("tiny.yaml", str(tmp_path), TINY)


# ---- files that are no study files -----------------------------------------------------


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(tmp_path / "nowhere.yaml")
    assert str(caught.value) == f"{tmp_path}/nowhere.yaml: there is no such file"


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a directory; name a study file in it"


def test_a_file_of_bytes(tmp_path: Path) -> None:
    path = tmp_path / "image.yaml"
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert str(caught.value) == f"{path}: not a study file: it holds bytes that are not UTF-8 text"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "F: is empty; studies/quickstart.yaml shows what belongs here"),
        ("# only a comment\n", "F: is empty; studies/quickstart.yaml shows what belongs here"),
        ("hello", "F:1: found 'hello'; must be a mapping of name, task, search and trial"),
        ("\n- 1\n- 2\n", "F:2: found [1, 2]; must be a mapping of name, task, search and trial"),
        (
            changed("search: {", "search: ["),
            "F:6: not YAML: while parsing a flow sequence, expected ',' or ']', but got '}'",
        ),
        (
            changed("  batch_size", "\tbatch_size"),
            "F:8: not YAML: while scanning for the next token, found character '\\t' that cannot "
            "start any token",
        ),
        (
            changed("  epochs: 4\n", "  epochs: 4\n   seed: 1\n"),
            "F:6: not YAML: mapping values are not allowed here",
        ),
        (
            changed("[16, 32]", "[16, 32]\n  batch_size: 8"),
            "F:9: trial.batch_size: found twice; the first is on line 8",
        ),
        (changed("[16, 32]", "&a [*a]"), "F: is nested too deeply, or refers to itself"),
        ("[" * 5000, "F: is nested too deeply, or refers to itself"),
        (
            changed("[16, 32]", "!!python/name:os.system x"),
            "F:8: not YAML: found the tag tag:yaml.org,2002:python/name:os.system, and a study holds "
            "plain values",
        ),
        (changed("[16, 32]", "9" * 5000), "F:8: not YAML: found a value that cannot be read"),
        (changed("batch_size", "? [a]\n  "), "F:8: not YAML: found a key that is not plain text"),
        (
            changed("epochs: 4", "epochs: !!bool x"),
            "F:5: not YAML: found a value that cannot be read",
        ),
        (
            TINY + "---\nname: other\n",
            "F:16: not YAML: expected a single document in the stream, but found another document",
        ),
        (
            "name: \x07",
            "F: not a study file: not YAML text (unacceptable character #x0007: special "
            "characters are not allowed)",
        ),
    ],
)
def test_what_is_not_a_yaml_mapping(text: str, message: str) -> None:
    assert error(text) == message


def test_aliases_cannot_fill_the_memory() -> None:
    bomb = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert error(bomb) == "F: is nested too deeply, or refers to itself"


# ---- wrong values ----------------------------------------------------------------------

DATASETS = "digits, fashion_mnist, mnist, kmnist, emnist, cifar10, svhn, folder, pairs, array"
TRIAL_KEYS = (
    "model, optimizer, schedule, batch_size, epochs, loss, huber_delta, l1, l2, gradient_clip, "
    "early_stopping, standardize, corruption"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # misspelt keys
        (
            "name: tiny",
            "nmae: tiny",
            "F:1: unknown key nmae (did you mean name?); allowed: name, description, task, "
            "search, trial",
        ),
        (
            "sigma",
            "sigm",
            "F:4: task.corruption: unknown key sigm (did you mean sigma?); allowed: clip, kind, sigma",
        ),
        (
            "trials: 20",
            "trails: 20",
            "F:6: search: unknown key trails (did you mean trials?); allowed: sampler, pruner, "
            "objective, trials, timeout, patience, seed, start",
        ),
        (
            "batch_size",
            "batchsize",
            f"F:8: trial: unknown key batchsize (did you mean batch_size?); allowed: {TRIAL_KEYS}",
        ),
        (
            "channels",
            "chanels",
            "F:15: trial.model: unknown key chanels (did you mean channels?); allowed: "
            "activation, normalization, dropout, output, kind, depth, channels, growth",
        ),
        (
            "log: true",
            "logg: true",
            "F:11: trial.optimizer.learning_rate: unknown key logg (did you mean log?); allowed "
            "beside float: step, log",
        ),
        ("choice:", "choise:", "F:13: trial.model: unknown key choise (did you mean choice?)"),
        (
            "kind: adam",
            "kind: [adam, sgd]\n    beta1: 0.8",
            "F:11: trial.optimizer: unknown key beta1; allowed: learning_rate, weight_decay, "
            "kind, momentum, nesterov (for kind sgd; with choice: each kind has its own keys)",
        ),
        # ranges
        (
            "1.0e-4, 1.0e-2",
            "1.0e-2, 1.0e-4",
            "F:11: trial.optimizer.learning_rate: found [0.01, 0.0001]; the low end must be below "
            "the high",
        ),
        (
            "[1.0e-4,",
            "[0,",
            "F:11: trial.optimizer.learning_rate: found [0, 0.01]; a log range must start above 0",
        ),
        (
            "1.0e-2]",
            "100]",
            "F:11: trial.optimizer.learning_rate: found 100.0; must be at most 10",
        ),
        ("[1, 3]", "[1, 30]", "F:14: trial.model.depth: found 30; must be at most 16"),
        (
            "kind: unet,",
            "kind: conv, kernel: {int: [3, 7]},",
            "F:15: trial.model.kernel: found 4; allowed: 3, 5, 7",
        ),
        # ranges where none may be
        (
            "epochs: 4",
            "epochs: {int: [1, 4]}",
            "F:5: task.epochs: found {int: [1, 4]}; a range is not allowed in task: what is "
            "compared must be the same for every trial",
        ),
        (
            "sigma: 0.2",
            "sigma: [0.1, 0.2]",
            "F:4: task.corruption.sigma: found [0.1, 0.2]; a range is not allowed in task: what "
            "is compared must be the same for every trial",
        ),
        (
            "trials: 20",
            "trials: 20, seed: {int: [1, 2]}",
            "F:6: search.seed: found {int: [1, 2]}; a range is not allowed in search: only trial "
            "is searched",
        ),
        (
            "trials: 20",
            "trials: 20, start: [{batch_size: [16, 32]}]",
            "F:6: search.start.0.batch_size: found [16, 32]; a range is not allowed in search: "
            "only trial is searched",
        ),
        # values
        (
            "{float: [1.0e-4, 1.0e-2], log: true}",
            "fast",
            "F:11: trial.optimizer.learning_rate: found 'fast'; must be a number",
        ),
        (
            "name: tiny",
            "name: Tiny!",
            "F:1: name: found 'Tiny!'; must be up to 63 of a-z, 0-9, "
            "'.', '-', '_', and begin with a letter or digit",
        ),
        ("name: tiny\n", "", "F:1: name: is missing"),
        ("epochs: 4", "epochs: 0", "F:5: task.epochs: found 0; must be at least 1"),
        ("epochs: 4", "epochs: 2.5", "F:5: task.epochs: found 2.5; must be a whole number"),
        ("  epochs: 4\n", "", "F:2: task.epochs: is missing"),
        (
            "sigma: 0.2",
            "sigma: .nan",
            "F:4: task.corruption.sigma: found nan; must be a finite number",
        ),
        ("sigma: 0.2", "sigma: 0", "F:4: task.corruption.sigma: found 0; must be above 0"),
        (
            "dataset: digits",
            "dataset: fasion_mnist",
            f"F:3: task.data.dataset: found 'fasion_mnist'; allowed: {DATASETS} (did you mean "
            "fashion_mnist?)",
        ),
        (
            "{dataset: digits}",
            "{train: 9}",
            f"F:3: task.data.dataset: is missing; allowed: {DATASETS}",
        ),
        (
            "{dataset: digits}",
            "digits",
            f"F:3: task.data: found 'digits'; must be a mapping with dataset: one of {DATASETS}",
        ),
        (
            "digits",
            "digits, validation: 1.5",
            "F:3: task.data.validation: found 1.5; must be below 1, or a whole number",
        ),
        (
            "kind: unet",
            "kind: unett",
            "F:15: trial.model.kind: found 'unett'; allowed: mlp, conv, unet (did you mean unet?)",
        ),
        ("kind: unet, ", "", "F:15: trial.model.kind: is missing; allowed: mlp, conv, unet"),
        (
            "  corruption: {kind: gaussian, sigma: 0.2}\n",
            "",
            "F:2: task: task.corruption is missing, such as {kind: gaussian, sigma: 0.2}",
        ),
        (
            "[16, 32]",
            "[16, 16]",
            "F:8: trial.batch_size: found 16 and 16; a list holds each value once",
        ),
        ("[16, 32]", "[]", "F:8: trial.batch_size: found []; a list needs at least one value"),
        (
            "[16, 32]",
            "1\n  standardize: maybe",
            "F:9: trial.standardize: found 'maybe'; must be true or false",
        ),
        (
            "[16, 32]",
            "1\n  loss: msee",
            "F:9: trial.loss: found 'msee'; allowed: mse, l1, huber, bce (did you mean mse?)",
        ),
        ("trials: 20", "trials: 0", "F:6: search.trials: found 0; must be above 0"),
        (
            "trials: 20",
            "timeout: soon",
            "F:6: search.timeout: found 'soon'; must be seconds, or such as 30m, 2h or 1h30m",
        ),
        ("trials: 20", "timeout: 0m", "F:6: search.timeout: found 0.0; must be above 0"),
        (
            "sampler: tpe",
            "sampler: tp",
            "F:6: search.sampler: found 'tp'; allowed: tpe, random, grid, gp, cmaes, qmc (did you mean tpe?)",
        ),
        (
            "pruner: none",
            "pruner: {kind: percentile, percentile: 200}",
            "F:6: search.pruner.percentile: found 200; must be below 100",
        ),
        (
            "pruner: none",
            "pruner: {kind: successive_halving, min_resource: 0}",
            "F:6: search.pruner.min_resource: found 0; must be above 0, or auto",
        ),
        (
            "trials: 20",
            "trials: 20, objective: val_ssm",
            "F:6: search.objective: found 'val_ssm'; allowed: val_mse, val_psnr, val_ssim, val_bce (did you mean val_ssim?)",
        ),
        (
            "trials: 20",
            "trials: 20, objective: val_bce",
            "F:15: trial.model.output: is residual; search.objective val_bce needs restored pixels in [0, 1]: set output: sigmoid, or another objective",
        ),
        ("trials: 20", "trials: 20, start: 3", "F:6: search.start: found 3; must be a list"),
        # what must hold between parts
        (
            "[16, 32]",
            "1\n  epochs: {int: [2, 5]}",
            "F:9: trial.epochs: found 5; must be at most task.epochs, which is 4",
        ),
        (
            "[16, 32]",
            "1\n  schedule: {kind: cosine, warmup_epochs: 4}",
            "F:9: trial.schedule.warmup_epochs: found 4.0; must be below the epochs of a trial, here 4",
        ),
        (
            "[16, 32]",
            "1\n  epochs: [2, 4]\n  schedule: {kind: exponential, start_epoch: {int: [0, 2]}}",
            "F:10: trial.schedule.start_epoch: found 2; must be below the epochs of a trial, here 2",
        ),
        (
            "[16, 32]",
            "1\n  loss: [mse, bce]",
            "F:7: trial: loss bce needs model output sigmoid, not residual",
        ),
        (
            "[16, 32]\n  optimizer:\n    kind: adam\n    learning_rate: {float: [1.0e-4, 1.0e-2], "
            "log: true}\n  model:\n    choice:\n      - {kind: mlp, ",
            "[1, 16]\n  model:\n    choice:\n      - {kind: mlp, normalization: [none, batch], ",
            "F:7: trial: normalization batch needs a batch_size of 2 or more in an mlp",
        ),
        (", trials: 20", "", "F:6: search: has no end; add trials: 50, or timeout: 30m, or both"),
        (
            "sampler: tpe",
            "sampler: grid",
            "F:11: trial.optimizer.learning_rate: found [0.0001, 0.01], a log range; a grid needs "
            "a list of values or a step",
        ),
        (
            "sampler: tpe",
            "sampler: cmaes",
            "F:6: search.sampler: cmaes needs two or more ranges that every trial has, and the "
            "space has 1; use tpe",
        ),
        (
            "pruner: none",
            "pruner: {kind: hyperband, min_resource: 9}",
            "F:6: search.pruner: hyperband's min_resource, 9, is above task.epochs, 4",
        ),
    ],
)
def test_a_wrong_study_is_answered_in_one_line(old: str, new: str, message: str) -> None:
    assert error(changed(old, new)) == message


def test_all_problems_are_said_at_once_in_the_order_of_the_file() -> None:
    text = changed("sigma: 0.2", "sigma: -1").replace("epochs: 4", "epohcs: 4\n  sed: 3")
    text = text.replace("[1, 3]", "[3, 1]").replace("[4, 8]", "[0, 8]")
    assert [line.split(":")[1] for line in error(text).splitlines()] == ["4", "5", "6", "15"]
    text = text.replace("[3, 1]", "[1, 3]")
    assert error(text).splitlines()[-1] == "F:16: trial.model.channels: found 0; must be at least 1"


def test_many_problems_are_cut_short() -> None:
    entries = ", ".join("{batch_size: 3}" for _ in range(30))
    lines = error(changed("trials: 20", f"trials: 20, start: [{entries}]")).splitlines()
    assert (len(lines), lines[-1]) == (21, "F: and 10 more problems")


def test_a_grid_is_counted_and_takes_no_start() -> None:
    grid = changed("sampler: tpe", "sampler: grid").replace(
        "{float: [1.0e-4, 1.0e-2], log: true}", "[1e-3, 1e-2]"
    )
    cells = (3 + 5) * 2 * 2
    assert parse(grid).budget == 20
    assert parse(grid.replace(", trials: 20", "")).budget == cells
    assert parse(TINY).budget == 20
    assert parse(changed("trials: 20", "timeout: 60")).budget is None
    many = error(grid.replace("trials: 20", "trials: 33"))
    assert many == "F:6: search.trials: found 33; the grid has 32 cells"
    started = error(grid.replace("trials: 20", "start: [{batch_size: 16}]"))
    assert started == "F:6: search.start: a grid visits its cells and nothing else; leave start out"


# ---- search.start ----------------------------------------------------------------------


def start(entry: str) -> str:
    return changed("search: {", f"search: {{start: [{entry}], ")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{model: {kind: conv}}", ".model: found 'conv'; allowed: mlp, unet"),
        ("{batch_size: 64}", ".batch_size: found 64; allowed: 16, 32"),
        (
            "{optimizer: {learning_rate: 1}}",
            ".optimizer.learning_rate: found 1; allowed: numbers from 0.0001 to 0.01",
        ),
        ("{model: {kind: mlp, width: 9}}", ".model.width: found 9; the space fixes it to 64"),
        ("{optimizr: {}}", ": unknown key optimizr; the space has: batch_size, optimizer, model"),
        (
            "{model: {kind: mlp, dept: 1}}",
            ".model: unknown key dept; the space has: kind, depth, width",
        ),
        (
            "{loss: l1}",
            ".loss: found 'l1'; the space leaves it at 'mse': give trial a list or range for it",
        ),
        ("3", ": found 3; must be a mapping"),
    ],
)
def test_a_wrong_start_says_where(entry: str, message: str) -> None:
    assert error(start(entry)) == f"F:6: search.start.0{message}"


def test_a_whole_config_may_hold_what_the_space_leaves_at_its_default() -> None:
    entry = (
        "{loss: mse, schedule: {kind: constant}, epochs: null, model: {kind: unet, channels: 5, "
        "growth: 2.0, output: residual}, optimizer: {kind: adam, beta1: 0.9}}"
    )
    assert parse(start(entry)).study.search.start == [
        {"model": {"kind": "unet", "channels": 5}, "optimizer": {"kind": "adam"}}
    ]


# ---- notes -----------------------------------------------------------------------------


def notes(search: str, trial: str = "model: {kind: mlp, depth: {int: [1, 3]}}") -> list[str]:
    head = TINY[: TINY.index("search:")]
    return sampler_notes(parse(f"{head}search: {{{search}}}\ntrial:\n  {trial}\n").study)


def test_samplers_say_what_they_cannot_do() -> None:
    assert notes("trials: 20") == []
    assert sampler_notes(parse(changed("tpe", "gp")).study) == [
        "gp draws these at random: model.mlp.depth, model.unet.channels"
    ]
    space = (
        "model: {kind: mlp, depth: {int: [1, 3]}, width: {int: [1, 3]}, activation: [relu, elu]}"
    )
    assert notes("trials: 20, sampler: cmaes, pruner: median", space) == [
        "cmaes draws these at random: model.mlp.activation",
        "cmaes learns only from complete trials, not from those that the median pruner ends",
    ]
    assert notes("trials: 5, sampler: tpe") == [
        "tpe draws its first 10 trials at random: with 5 trials it never learns"
    ]
    assert notes("trials: 5, sampler: random", "model: {kind: mlp}") == [
        "the space has no ranges: every trial trains the same config"
    ]
    assert notes("trials: 20, pruner: {kind: median, warmup_epochs: 4}") == [
        "the median pruner's warm-up leaves it no epoch to prune in"
    ]


def test_a_gp_needs_something_that_every_trial_has() -> None:
    head = TINY[: TINY.index("trial:")].replace("tpe", "gp")
    text = f"{head}trial: {{model: {{kind: mlp}}}}\n"
    assert error(text) == (
        "F:6: search.sampler: gp needs a range or list that every trial has, and the space has "
        "none; use tpe"
    )


# ---- two studies -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("name: tiny", "name: tiny\ndescription: new words # and comments", []),
        ("trials: 20", "trials: 40", []),
        ("trials: 20", "trials: 10", ["search.trials: stored 20, given 10"]),
        (
            "trials: 20",
            "timeout: 60",
            ["search.trials: stored 20, given null", "search.timeout: stored null, given 60.0"],
        ),
        ("pruner: none", "pruner: {kind: none}", []),
        (
            "pruner: none",
            "pruner: successive_halving",
            [
                "search.pruner.kind: stored 'none', given 'successive_halving'",
                "search.pruner.min_resource: stored null, given 1",
                "search.pruner.reduction_factor: stored null, given 4",
            ],
        ),
        ("sigma: 0.2", "sigma: 0.3", ["task.corruption.sigma: stored 0.2, given 0.3"]),
        (
            "[4, 8]",
            "[4, 9]",
            ["trial.model.choice.1.channels: stored {int: [4, 8]}, given {int: [4, 9]}"],
        ),
        ("[16, 32]", "[16, 32, 64]", ["trial.batch_size: stored [16, 32], given [16, 32, 64]"]),
        ("[16, 32]", "16", ["trial.batch_size: stored [16, 32], given 16"]),
    ],
)
def test_differences(old: str, new: str, found: list[str]) -> None:
    assert differences(parse(TINY).study, parse(changed(old, new)).study) == found


def test_a_timeout_may_grow_and_a_grid_may_lose_its_limit() -> None:
    hour = parse(changed("trials: 20", "timeout: 1h")).study
    two = parse(changed("trials: 20", "timeout: 2h")).study
    assert differences(hour, two) == []
    assert differences(two, hour) == ["search.timeout: stored 7200.0, given 3600.0"]
    grid = changed("sampler: tpe", "sampler: grid").replace(
        "{float: [1.0e-4, 1.0e-2], log: true}", "[1e-3, 1e-2]"
    )
    part, whole = parse(grid).study, parse(grid.replace(", trials: 20", "")).study
    assert differences(part, whole) == []
    assert differences(whole, part) == ["search.trials: stored 32, given 20"]


# ---- durations and summary -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "soon", "-5", "30m1h", "1d", "nan", "inf"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_duration(text)
    expected = f"timeout: found {text!r}; must be seconds, or such as 30m, 2h or 1h30m"
    assert str(caught.value) == expected
    with pytest.raises(StudyError, match="timeout: found '0'; must be above 0"):
        parse_duration("0")


def test_check_says_what_a_study_spans() -> None:
    assert check_summary(parse(changed("trials: 20", "trials: 20, timeout: 90m"))).lines() == [
        "tiny: good; 5 parameters, 8 architectures, 16 corners tried",
        "  batch_size                    16 | 32",
        "  optimizer.adam.learning_rate  0.0001 to 0.01, log",
        "  model                         mlp | unet",
        "  model.mlp.depth               1 to 3",
        "  model.unet.channels           4 to 8",
        "budget: 20 trials, 90 minutes",
    ]


# ---- anything at all -------------------------------------------------------------------

JUNK = [
    "",
    "~",
    "[]",
    "{}",
    "-1",
    "1e400",
    ".inf",
    "true",
    "'",
    "{",
    "]",
    ": ",
    "- ",
    "\t",
    "&a",
    "*a",
    "<<: *a",
    "!!set {a}",
    "!!binary x",
    "!!timestamp x",
    "!!bool x",
    "!!int",
    "!x",
    "? ",
    "{int: [1, 2]}",
    "{choice: [1]}",
    "[[1]]",
    "kind",
    "{float: [2, 1]}",
    "é\u2028",
    "0x1F",
    "9" * 400,
    "1: 2",
    "null: 3",
    "|",
    "%",
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    lines = draw(st.sampled_from(SHIPPED)).read_text().splitlines()
    chance = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 4))):
        at = chance.randrange(len(lines))
        line, junk = lines[at], chance.choice(JUNK)
        place = chance.randrange(len(line) + 1)
        words = line.split(" ")
        words[chance.randrange(len(words))] = junk
        lines[at : at + 1] = chance.choice(
            [
                [],
                [line, line],
                [line[:place]],
                [line[:place] + junk + line[place:]],
                [" ".join(words)],
                ["  " + line],
                [line, chance.choice(lines)],
            ]
        ) or [""]
    return "\n".join(lines)


@pytest.mark.parametrize("separator", [r"\u2028", r"\u2029", r"\x85", r"\n"])
@pytest.mark.parametrize("before", ["data: {", "{kind: mlp, ", "depth: {", "learning_rate: {"])
def test_an_unknown_key_with_line_breaks_is_said_on_one_line(before: str, separator: str) -> None:
    with pytest.raises(StudyError) as problem:
        parse(TINY.replace(before, f'{before}"wid{separator}th": 1, '))
    said = str(problem.value).splitlines()
    assert any("wid th" in line for line in said)
    assert all(line.startswith("F:") for line in said)


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_no_text_raises_anything_but_a_study_error(text: str) -> None:
    said = []
    try:
        parse(text)
    except StudyError as problem:
        said = str(problem).splitlines()
    assert all(line.startswith("F:") and len(line) < 1500 for line in said)
