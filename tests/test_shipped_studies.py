"""The studies that come with the program: good, and what their comments promise."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support import Ended, study_text

from autoencoder_hpo.config import DigitsData, FolderData, TorchvisionData
from autoencoder_hpo.settings import packaged
from autoencoder_hpo.space import Parameter, parameters
from autoencoder_hpo.study import StudyFile, check_summary, load_study
from autoencoder_hpo.study.schema import json_schema
from autoencoder_hpo.study.shipped import find_study
from autoencoder_hpo.study.shipped import shipped as shipped_names
from autoencoder_hpo.study.yamlfile import parse_yaml

Call = Callable[..., Ended]
FOLDER = Path(__file__).parent.parent / "studies"
PATHS = sorted(FOLDER.glob("*.yaml"))
LITERATURE = sorted(FOLDER.glob("literature/*.yaml"))
EVERY = pytest.mark.parametrize("path", [*PATHS, *LITERATURE], ids=lambda path: path.stem)


def shipped(stem: str) -> StudyFile:
    return load_study(FOLDER / f"{stem}.yaml")


def parameter(file: StudyFile, name: str) -> Parameter:
    [found] = [each for each in parameters(file.study.space) if each.name == name]
    return found


def test_the_studies_are_there() -> None:
    assert [path.stem for path in PATHS] == [
        "fashion_mnist",
        "fashion_mnist_strong",
        "mnist_grid",
        "photos",
        "quickstart",
    ]


def test_the_literature_is_there() -> None:
    assert [path.stem for path in LITERATURE] == [
        "bottleneck",
        "bottleneck_mnist",
        "decay",
        "denoising_02",
        "denoising_05",
        "noise_gaussian",
        "noise_masking",
        "noise_salt_and_pepper",
        "noise_speckle",
        "optimizers",
        "regularization",
        "samplers_grid",
        "samplers_ranges",
    ]


@EVERY
def test_a_study_is_good_and_its_sampler_can_serve_it(path: Path) -> None:
    summary = check_summary(load_study(path))
    assert summary.notes == []
    assert summary.corners <= 2000, "all corners are tried"


@EVERY
def test_a_study_names_the_schema_and_keeps_it(path: Path) -> None:
    text = path.read_text()
    schema = "../study.schema.json" if path in LITERATURE else "./study.schema.json"
    assert text.startswith(f"# yaml-language-server: $schema={schema}\n")
    assert max(map(len, text.splitlines())) <= 100
    Draft202012Validator(json_schema()).validate(parse_yaml(text, path).tree)


def test_the_shipped_schema_is_the_current_one() -> None:
    """`autoencoder-hpo schema > studies/study.schema.json` renews it."""
    text = (FOLDER / "study.schema.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(json_schema()))


def test_the_quickstart_is_small_and_offline() -> None:
    file = shipped("quickstart")
    assert isinstance(file.study.task.data, DigitsData)
    assert (file.study.name, file.budget) == ("quickstart", 25)


def test_the_flagship_spans_three_models_and_two_decades_in_half_an_hour() -> None:
    file = shipped("fashion_mnist")
    task, search = file.study.task, file.study.search
    assert isinstance(task.data, TorchvisionData)
    assert (task.data.dataset, task.data.train) == ("fashion_mnist", 10_000)
    assert task.corruption is not None
    assert task.corruption.model_dump() == {"kind": "gaussian", "sigma": 0.2, "clip": True}
    assert set(parameter(file, "model").choices) == {"mlp", "conv", "unet"}
    rate = parameter(file, "optimizer.learning_rate")
    assert rate.low is not None
    assert rate.high is not None
    assert rate.high / rate.low >= 100
    assert search.timeout is not None
    assert search.timeout <= 30 * 60
    assert search.start[0]["model"]["kind"] == "unet"


def test_the_strong_noise_is_all_that_its_study_changes() -> None:
    flagship, strong = shipped("fashion_mnist").study, shipped("fashion_mnist_strong").study
    corruption = {"kind": "gaussian", "sigma": 0.5, "clip": True}
    changed = flagship.task.model_dump() | {"corruption": corruption}
    assert strong.task.model_dump() == changed
    assert (strong.search, strong.trial) == (flagship.search, flagship.trial)


def test_the_grid_has_twelve_cells() -> None:
    assert shipped("mnist_grid").budget == 12


def test_every_sampler_has_as_many_trials_as_the_grid_has_cells() -> None:
    grid, ranges = (load_study(FOLDER / f"literature/samplers_{end}.yaml")
                    for end in ("grid", "ranges"))  # fmt: skip
    assert grid.budget == ranges.budget == 24
    assert grid.study.task == ranges.study.task


# ---- by name -----------------------------------------------------------------------------


def test_every_study_is_found_by_its_name() -> None:
    known = shipped_names()
    assert sorted(known.values()) == sorted(packaged("studies").rglob("*.yaml"))
    for name, path in known.items():
        file = find_study(Path(name))
        assert (file.study.name, file.shipped) == (name, True)
        assert file.text == path.read_text()


def test_a_name_may_be_written_as_the_file_is() -> None:
    assert find_study(Path("fashion_mnist")).study.name == "fashion-mnist"
    assert find_study(Path("literature/samplers_grid")).study.name == "literature-samplers-grid"


def test_a_file_comes_before_a_shipped_study(call: Call, tmp_path: Path) -> None:
    (tmp_path / "quickstart").write_text(study_text(name="mine"))
    assert call("check", "quickstart").good().startswith("mine: good;")
    (tmp_path / "photos").mkdir()  # what the study photos reads is no study file
    assert call("check", "photos").good().startswith("photos: good;")


def test_images_of_a_study_by_name_are_looked_for_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_study(Path("photos")).base == str(tmp_path)


@pytest.mark.parametrize("command", ["run", "check", "create"])
def test_an_unknown_name_is_told_the_known_ones(call: Call, command: str) -> None:
    said = call(command, "quikstart").line
    assert said.startswith("quikstart: there is no such file and no shipped study of this name")
    assert "did you mean quickstart?" in said
    assert "these are shipped: fashion-mnist, " in said


def test_a_missing_file_is_told_the_name_that_is_shipped(call: Call) -> None:
    said = call("check", "studies/quickstart.yaml").line
    assert said.endswith("quickstart.yaml: there is no such file; quickstart alone names the "
                         "shipped study")  # fmt: skip
    assert call("check", "other.yaml").line == "other.yaml: there is no such file"


def test_a_shipped_study_is_created_and_goes_on_by_its_name(call: Call) -> None:
    assert "created quickstart" in call("create", "quickstart").good()
    again = call("run", "quickstart", "--workers", "0")
    assert again.good()
    assert "warning: the stored" not in again.err
    assert "quickstart" in call("create", "quickstart").line  # it is there already


def test_a_stored_study_comes_before_a_shipped_one(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(study_text(name="quickstart"))
    call("create", "mine.yaml").good()
    went_on = call("run", "quickstart", "--workers", "0")
    assert went_on.good()
    assert "the stored study quickstart goes on; it is not the one that is shipped" in went_on.err


def test_photos_are_looked_for_beside_the_file() -> None:
    file = shipped("photos")
    assert isinstance(file.study.task.data, FolderData)
    assert Path(file.base, file.study.task.data.path) == FOLDER.absolute() / "photos"
