"""Finishing pruned trials: which, how, and what it says was lost."""

from dataclasses import replace

import pytest
from diagnosis.conftest import prune
from histories import DATA, file_of, told
from records import RUN, as_facts
from support import Create, inputs_of

from autoencoder_hpo.diagnosis.audit import Regret, keep_audited, promising, regret
from autoencoder_hpo.diagnosis.complete_pruned import finish_all
from autoencoder_hpo.diagnosis.facts import facts_of
from autoencoder_hpo.diagnosis.findings import Audited
from autoencoder_hpo.worker.context import WorkerContext

OURS = {"config": {"model": {"kind": "mlp"}}, "run": RUN}


def test_the_most_promising_are_finished_first() -> None:
    study = file_of().study
    best = told(study, 0, [16.0, 18.0, 20.0])
    early = told(study, 1, [15.9], pruned=True, **OURS)  # 0.1 dB behind the best at its end
    late = told(study, 2, [15.0, 17.5], pruned=True, **OURS)  # 0.5 dB
    ahead = told(study, 3, [16.5], pruned=True, **OURS)
    old = told(study, 4, [19.0], pruned=True)  # nothing says how it was trained
    facts = as_facts(study, DATA, [best, early, late, ahead, old])
    assert [trial.number for trial in promising(facts, 9)] == [3, 1, 2]
    assert [trial.number for trial in promising(facts, 1)] == [3]
    done = replace(facts, audit=[Audited(3, 1, 0.01, 20.0)])
    assert [trial.number for trial in promising(done, 9)] == [1, 2]


def test_the_regret() -> None:
    study = file_of().study
    complete = [told(study, n, [20 - n / 10]) for n in range(20)]
    facts = as_facts(study, DATA, complete)
    assert regret(facts) is None
    audit = [
        Audited(30, 2, 10**-2.03, 20.3),
        Audited(31, 2, 10**-1.99, 19.9),
        Audited(32, 2, 10**-1.97, 19.7),
        Audited(33, 2, None, None),
    ]
    found = regret(replace(facts, audit=audit))
    assert found is not None
    assert found.db == pytest.approx(0.3)
    assert (found.finished, found.share, found.missed) == (4, 0.5, (30, 31))
    assert regret(replace(facts, audit=audit[3:])) == Regret(1, None, 0.0, ())


def test_a_finished_trial_goes_on_as_it_began(create: Create, context: WorkerContext) -> None:
    opened = prune(create, context)
    inputs = inputs_of(opened.file, context.settings)
    epochs: list[float] = []
    trials = promising(facts_of(opened), 1)
    finish_all(opened, trials, inputs, epoch_done=lambda result: epochs.append(result.val_mse))
    facts = facts_of(opened)
    (found,) = facts.audit
    stored = [each.val_mse for each in trials[0].record.epochs]
    assert epochs[: len(stored)] == stored  # the same seed, noise and order
    assert len(epochs) == 4 > len(stored)
    assert (found.trial, found.epoch) == (trials[0].number, len(stored))
    assert found.value == min(epochs)
    assert [trial.state.name for trial in opened.trials()] == ["COMPLETE", "PRUNED", "PRUNED"]
    lost = regret(facts)
    assert lost is not None
    assert lost.db is not None
    assert lost.db < 0  # such a learning rate deserved it
    (left,) = promising(facts, 5)
    assert left.number != found.trial


def test_a_stop_keeps_what_was_finished(create: Create, context: WorkerContext) -> None:
    opened = prune(create, context)
    inputs = inputs_of(opened.file, context.settings)
    trained = 0

    def interrupt(_: object) -> None:
        nonlocal trained
        trained += 1
        if trained == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish_all(opened, promising(facts_of(opened), 2), inputs, epoch_done=interrupt)
    (kept,) = facts_of(opened).audit
    assert [trial.number for trial in promising(facts_of(opened), 9)] == [3 - kept.trial]


def test_an_audit_of_the_same_trial_is_kept_once(create: Create) -> None:
    opened = create()
    for value in (0.02, 0.01):
        keep_audited(opened, Audited(4, 2, value, 20.0))
    keep_audited(opened, Audited(5, 2, None, None))
    assert facts_of(opened).audit == (Audited(4, 2, 0.01, 20.0), Audited(5, 2, None, None))
