"""A better model is called better everywhere, whatever a study's objective is.

The trials stand on a ladder (`ladder`): which of them is better is known from their images, and is
never read from what the program says of a metric.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from contracts.ladder import (
    DATA,
    PRUNERS,
    RUNGS,
    WIDTH,
    eager,
    file_of,
    images,
    restored,
    trial,
    value,
)
from optuna.trial import FrozenTrial, TrialState
from records import as_facts, data_of, stored, summary_of
from support import CPU, config_of

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.data.splits import folds as split
from autoencoder_hpo.data.splits import load_search_data
from autoencoder_hpo.diagnosis.audit import promising, regret
from autoencoder_hpo.diagnosis.findings import Audited, Facts
from autoencoder_hpo.diagnosis.pruning import of_pruning
from autoencoder_hpo.diagnosis.ranking import complete, curve, level
from autoencoder_hpo.finalize.comparison import Candidate, choose_winner
from autoencoder_hpo.finalize.plan import Request, make_plan
from autoencoder_hpo.finalize.retraining import Retrained, write_result
from autoencoder_hpo.finalize.selection import decide
from autoencoder_hpo.report.comparing import compare, progress
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.figures import figures
from autoencoder_hpo.report.gallery import Gallery
from autoencoder_hpo.report.parameters import _in_memory
from autoencoder_hpo.report.tables import best_table
from autoencoder_hpo.report.wording import audited, verdict
from autoencoder_hpo.reproduce import Again
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.notes import trial_note
from autoencoder_hpo.showcase.pictures import png, strip
from autoencoder_hpo.showcase.plots import history
from autoencoder_hpo.showcase.preview_images import Probes
from autoencoder_hpo.showcase.store import CROPS, Directory, trial_artifact
from autoencoder_hpo.showcase.study import _best_rows
from autoencoder_hpo.storage.database import Storage, open_storage
from autoencoder_hpo.storage.plateau import at_a_standstill
from autoencoder_hpo.storage.samplers import PruningCheck, with_search
from autoencoder_hpo.storage.status import summary
from autoencoder_hpo.storage.study import StudyHandle, best_first, best_of, create_study
from autoencoder_hpo.storage.wording import trial_line
from autoencoder_hpo.training import loop
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.loop import Training
from autoencoder_hpo.training.metrics import per_image
from autoencoder_hpo.training.prepared import prepare

ORDER = (2, 4, 0, 5, 3, 1)
"""The rungs of trials 0, 1, 2, …"""
BEST_FIRST = [ORDER.index(rung) for rung in reversed(range(RUNGS))]

pytestmark = pytest.mark.parametrize("metric", Metric)


def trials(metric: Metric, *, agree: bool = False) -> list[FrozenTrial]:
    return [trial(metric, n, rung, agree=agree) for n, rung in enumerate(ORDER)]


def numbers(found: Sequence[FrozenTrial]) -> list[int]:
    return [each.number for each in found]


NUMBER = count()
"""Of the studies: one database holds all of them."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A file: no server has to start."""
    folder = tmp_path_factory.mktemp("metric")
    settings = Settings(home=folder, storage=None, password_file=None, data=None, grace=60.0)
    opened = open_storage(f"sqlite:///{folder}/x.db", settings)
    yield opened
    opened.rdb.remove_session()
    opened.engine.dispose()


def told(
    database: Storage, metric: Metric, some: Sequence[FrozenTrial], **changes: Any
) -> StudyHandle:
    """A study in the database that came to these trials."""
    search = {"trials": len(some), **changes.pop("search", {})}
    file = file_of(metric, name=f"tiny-{next(NUMBER)}", search=search, **changes)
    opened = with_search(create_study(database, file, data_of(DATA)))
    opened.optuna.add_trials(some)
    return opened


def reported(metric: Metric, some: Sequence[FrozenTrial], **changes: Any) -> Contents:
    """What a report says of these trials."""
    file = file_of(metric, **changes)
    known = [stored(each) for each in some]
    return Contents(
        name="tiny",
        file=file.text,
        facts=as_facts(file.study, DATA, some),
        summary=summary_of(known, data_of(DATA), metric=metric, most=len(some)),
        findings=(),
        gallery=Gallery([], None),
        made=datetime(2026, 1, 2, tzinfo=UTC),
    )


# ---- trials ----------------------------------------------------------------------------


def test_every_rung_is_another_score_and_all_go_one_way(metric: Metric) -> None:
    values = [value(metric, rung) for rung in range(RUNGS)]
    assert values in (sorted(values), sorted(values, reverse=True))
    assert len(set(values)) == RUNGS


def test_the_best_trials_come_first(metric: Metric) -> None:
    assert numbers(best_first(trials(metric), metric)) == BEST_FIRST
    best = best_of(trials(metric), metric)
    assert best is not None
    assert best.number == BEST_FIRST[0]


def test_the_database_and_optuna_know_the_best(metric: Metric, database: Storage) -> None:
    """What the commands `best`, `status` and `list` say, and what samplers learn from."""
    opened = told(database, metric, trials(metric))
    best = opened.best()
    assert best is not None
    said = summary(opened)
    assert said.objective == metric
    assert said.best is not None
    assert said.best.number == best.number == BEST_FIRST[0]
    assert opened.optuna.best_trial.number == BEST_FIRST[0]
    assert opened.optuna.metric_names == [metric]


def test_patience_ends_a_search_that_becomes_worse_and_no_other(
    metric: Metric, database: Storage
) -> None:
    def still(rungs: Sequence[int]) -> bool:
        some = [trial(metric, n, rung) for n, rung in enumerate(rungs)]
        opened = told(database, metric, some, search={"patience": 3})
        return at_a_standstill(opened, opened.record())

    assert not still([0, 1, 2, 3, 4])
    assert still([4, 3, 2, 1])


@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_worse_trial_is_pruned(metric: Metric, pruner: str, database: Storage) -> None:
    known = [trial(metric, n, 2, rungs=[2, 2, 2]) for n in range(4)]
    opened = told(database, metric, known, search={"trials": 9, "pruner": eager(pruner)})

    def ends(rung: int) -> bool:
        number = opened.optuna.ask().number
        return PruningCheck(opened, number).falls_behind(
            {1: value(metric, rung)}, complete=len(known)
        )

    ends(2)  # halving compares with trials that were asked for
    assert not ends(4)
    assert ends(0)


# ---- epochs ----------------------------------------------------------------------------


def epochs(metric: Metric, rungs: Sequence[int]) -> list[loop.EpochResult]:
    """A training's history: an epoch for each of these rungs."""
    made = [
        loop.EpochResult.of_record(_told(metric, number, rung))
        for number, rung in enumerate(rungs, 1)
    ]
    assert [metric.of(each) for each in made] == [value(metric, rung) for rung in rungs]
    return made


def _told(metric: Metric, number: int, rung: int) -> dict[str, Any]:
    return dict(trial(metric, 0, rung).user_attrs["history"][-1], epoch=number)


def test_the_best_epoch(metric: Metric) -> None:
    best = loop.best_of(epochs(metric, [1, 4, 2]), metric)
    assert best is not None
    assert best.epoch == 2


def test_early_stopping_waits_for_something_better(metric: Metric) -> None:
    assert not loop.stalled(epochs(metric, [1, 2, 3, 4]), 2, metric)
    assert loop.stalled(epochs(metric, [4, 3, 2]), 2, metric)


# ---- diagnosis -------------------------------------------------------------------------


def facts(metric: Metric, some: Sequence[FrozenTrial], **changes: Any) -> Facts:
    return as_facts(file_of(metric, **changes).study, DATA, some)


def test_levels_rise_with_what_is_better(metric: Metric) -> None:
    known = facts(metric, trials(metric))
    done = complete(known)
    assert numbers(done) == BEST_FIRST
    levels = [level(each, known) for each in done]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == RUNGS
    wavering = trial(metric, 9, 4, rungs=[1, 4, 2])
    (first, second, third) = curve(wavering, known).values()
    assert first < second == third  # the best so far


def pruned(metric: Metric, number: int, rungs: Sequence[int]) -> FrozenTrial:
    return trial(metric, number, rungs[-1], rungs=rungs, state=TrialState.PRUNED)


def test_an_audit_finishes_the_most_promising_and_knows_what_was_lost(metric: Metric) -> None:
    best = trial(metric, 0, 3, rungs=[2, 3])
    known = facts(metric, [best, pruned(metric, 1, [0]), pruned(metric, 2, [3])])
    assert numbers(promising(known, 2)) == [2, 1]
    better, worse = (Audited(2, 1, value(metric, rung), 20.0) for rung in (5, 1))
    found = regret(replace(known, audit=[better]))
    assert found is not None
    assert found.db is not None
    assert found.db > 0
    assert found.missed == (2,)
    found = regret(replace(known, audit=[worse]))
    assert found is not None
    assert found.db is not None
    assert found.db < 0
    assert found.missed == ()


def test_a_pruner_is_eager_that_ended_what_was_ahead(metric: Metric) -> None:
    best = trial(metric, 0, 5, rungs=[2, 3, 5])
    search = {"pruner": {"kind": "median"}}
    ahead = [pruned(metric, n, [4]) for n in range(1, 4)]
    behind = [pruned(metric, n, [1]) for n in range(1, 4)]
    assert of_pruning(facts(metric, [best, *ahead], search=search))
    assert not of_pruning(facts(metric, [best, *behind], search=search))


# ---- finalize --------------------------------------------------------------------------


def test_the_best_trials_are_finalized(
    metric: Metric, database: Storage, settings: Settings, tmp_path: Path
) -> None:
    opened = told(database, metric, trials(metric))
    request = Request(top=3, seeds=1, device="cpu", workers=1, out=tmp_path / "x.denoiser")
    plan = make_plan(opened, request, settings)
    assert [each.trial for each in plan.contenders] == BEST_FIRST[:3]
    assert {job.best_by for job in plan.jobs} == {metric}


@pytest.mark.parametrize("better", [0, 1])
def test_the_better_candidate_wins(metric: Metric, better: int) -> None:
    """Both are as large, so that the size decides nothing; the contest is held in what is shown."""
    clean, _ = images()
    values = [per_image(metric.shown, restored(rung), clean).numpy() for rung in (2, 4)]
    first, second = values if better else values[::-1]
    candidates = [Candidate(0, 9, first), Candidate(1, 9, second)]
    found = choose_winner(candidates, metric=metric.shown, groups=None, seed=0)
    assert (found.winner, found.leader) == (better, better)
    behind = found.ranking[1].behind
    assert behind.above_zero
    assert f"better than every other: by {metric.shown.by(behind.mean)} " in found.reason


def test_the_contest_is_held_in_the_objective(
    metric: Metric, database: Storage, tmp_path: Path
) -> None:
    """Stored retrainings, of which the best by the objective wins."""
    opened = told(database, metric, trials(metric))
    settings = Settings(home=tmp_path, storage=None, password_file=None, data=None, grace=60.0)
    request = Request(top=3, seeds=1, device="cpu", workers=1, out=tmp_path / "x.denoiser")
    plan = make_plan(opened, request, settings)
    clean, _ = images()
    for job in plan.jobs:
        scores = per_image(metric.shown, restored(ORDER[job.trial]), clean).double()
        write_result(job, Retrained(3, 3, 9, scores, {"w": clean[:1].clone()}), plan.folder)
    contest = decide(plan, None)
    assert contest.verdict.winner == BEST_FIRST[0]
    assert [each.trial for each in contest.verdict.ranking] == BEST_FIRST[:3]


# ---- pictures and reports --------------------------------------------------------------


def test_the_gallery_begins_with_the_best(
    metric: Metric, database: Storage, tmp_path: Path
) -> None:
    opened = told(database, metric, trials(metric))
    clean, noisy = images()
    probes = Probes([0, 1], noisy[:2], clean[:2])
    store = Directory(tmp_path / "store")
    picture = png(
        strip([(image[0].numpy() * 255).astype("uint8")[..., None] for image in clean[:2]])
    )
    for each in opened.trials():
        store.write(trial_artifact("aa", each.number, CROPS), io.BytesIO(picture))
    rows = _best_rows(opened, opened.stored_trials(), store, probes)
    assert [title for title, _, _ in rows] == [f"trial {number}" for number in BEST_FIRST]


def test_a_report_begins_with_the_best(metric: Metric) -> None:
    contents = reported(metric, trials(metric))
    assert numbers(contents.best) == BEST_FIRST
    assert [row.trial.number for row in best_table(contents)] == BEST_FIRST
    assert _in_memory(contents).best_trial.number == BEST_FIRST[0]  # what importances are of


def test_a_grid_marks_the_best(metric: Metric) -> None:
    space = {
        "model": {"kind": "mlp", "depth": 1, "width": [8, 9, 10, 11, 12, 13], "latent": 8},
        "optimizer": {"kind": "adam", "learning_rate": 0.001},
    }
    search = {"sampler": {"kind": "grid"}, "trials": None}
    some = trials(metric)
    for each in some:
        each.params = {WIDTH: each.params[WIDTH]}
    grid = reported(metric, some, search=search, trial=space).grid
    assert grid is not None
    marked = [cell.number for row in grid.cells for cell in row if cell and cell.best]
    assert marked == [BEST_FIRST[0]]


def test_figures_show_the_best(metric: Metric) -> None:
    drawn = {
        each.key: each
        for some in figures(reported(metric, trials(metric, agree=True))).values()
        for each in some
    }
    in_color = [f"trial {number}" for number in BEST_FIRST]
    for key in ("curves", "parallel"):
        shown = [key.name for key in drawn[key].keys if key.name.startswith("trial ")]
        assert shown == in_color[: len(shown)] != [], key


def test_the_best_so_far_is_the_best(metric: Metric) -> None:
    records = [stored(each) for each in trials(metric, agree=True)]
    points, _, so_far = history(records, None, metric=metric.shown)["data"]
    best = [max(ORDER[: place + 1]) for place in range(RUNGS)]
    assert so_far["y"] == [points["y"][ORDER.index(rung)] for rung in best]


def test_texts_say_what_is_improved(metric: Metric) -> None:
    some = trials(metric)
    contents = reported(metric, some)
    best = some[BEST_FIRST[0]]
    shown = metric.shown
    said = shown.named(best.user_attrs["scores"][shown.value])
    assert said in verdict(contents)[0]
    assert f"complete  {said}" in trial_line(stored(best), metric)
    assert trial_note(stored(best), 16.0, metric=metric).startswith(f"**{said}")


def test_an_audit_names_the_best_of_what_it_finished(metric: Metric) -> None:
    some = trials(metric)
    better, worse = (
        Audited(trial=10 + rung, epoch=1, value=value(metric, rung), psnr=20.0 - rung)
        for rung in (4, 1)
    )
    known = reported(metric, some)
    contents = replace(known, facts=replace(known.facts, audit=[worse, better]))
    said = audited(contents)
    assert said is not None
    assert "the best of them, trial 14," in said


def test_of_several_studies_the_best_is_marked(metric: Metric) -> None:
    several = [
        replace(reported(metric, [trial(metric, 0, rung, agree=True)]), name=f"study-{rung}")
        for rung in (1, 4, 2)
    ]
    compared = compare(several)
    assert [row.best for row in compared.rows] == [False, True, False]
    drawn = progress(compared)
    assert drawn is not None
    assert [trace["y"][-1] for trace in drawn.plot["data"]] == [
        metric.shown.height(value(metric.shown, rung)) for rung in (1, 4, 2)
    ]


# ---- real trainings --------------------------------------------------------------------

WAVERING = {"optimizer": {"kind": "adam", "learning_rate": 0.1}, "batch_size": 16}
"""So fast that the last epoch of the one on a single split is not its best."""


def folded(metric: Metric, folds: int) -> Training | FoldedTraining:
    task = {"epochs": 4, "folds": folds, "data": {"dataset": "digits", "train": 128}}
    model = {"kind": "mlp", "depth": 1, "width": 8, "latent": 4}
    file = file_of(metric, task=task, trial={**WAVERING, "model": model})
    images = load_search_data(file.study.task, base=Path("/"), datasets=Path("/nowhere"))
    prepared = [
        prepare(train, validation, file.study.task, CPU)
        for train, validation in split(images, folds, 0)
    ]
    return build_training(file.study.task, config_of(file), prepared, seed=1, best_by=metric)


@pytest.mark.parametrize("folds", [1, 2])
def test_a_training_keeps_its_best_epoch(metric: Metric, folds: int) -> None:
    run = folded(metric, folds)
    results = list(run)
    levels = [metric.decibel(metric.of(each)) for each in results]
    assert run.best is not None
    assert run.best.epoch == levels.index(max(levels)) + 1
    scores = run.scores()
    assert metric.of(scores) == pytest.approx(metric.of(run.best), rel=1e-4)
    always = {"epoch", "train_loss", "val_mse", "val_psnr", "learning_rate"}
    assert set(results[0].as_record()) == always | {metric.value}
    again = folded(metric, folds)
    again.load_state_dict(run.state_dict())
    assert again.history == run.history
    assert again.best == run.best


def test_reproducing_compares_the_best_epochs(metric: Metric) -> None:
    shown = metric.shown
    stored, now = (epochs(shown, rungs) for rungs in ([1, 4, 2], [1, 3, 2]))
    again = Again(stored, now, ["another device"], shown)
    assert again.best == (value(shown, 4), value(shown, 3))
    assert not again.reproduced
    assert Again(stored, [*stored[:2], now[2]], ["another device"], shown).reproduced
