"""Whether the pruner ends trials that would have become good: by their curves, or by an audit."""

from autoencoder_hpo.diagnosis.audit import Regret, regret
from autoencoder_hpo.diagnosis.edits import pruner_with
from autoencoder_hpo.diagnosis.findings import Facts, Finding
from autoencoder_hpo.diagnosis.ranking import at_epoch, complete, curve, numbers, pruned
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.study import Hyperband, Median, NoPruner, Percentile, SuccessiveHalving

FEWEST = 3
SHARE = 0.25
"""Of the pruned trials: those few that were ahead by luck are the price of pruning."""
ENOUGH = 3
"""Finished trials that make an audit an answer, whatever the curves look like."""


def of_pruning(facts: Facts) -> list[Finding]:
    """That the pruner is too eager; an audit that found nothing settles it."""
    if isinstance(facts.study.search.pruner, NoPruner) or not complete(facts):
        return []
    known = regret(facts)
    if known is not None and (known.missed or known.finished >= ENOUGH):
        return _audited(facts, known)
    return _ahead_of_the_winner(facts)


def _audited(facts: Facts, known: Regret) -> list[Finding]:
    db, metric = known.db, facts.study.search.objective
    if db is None or not known.missed or (db <= metric.step and known.share < SHARE):
        return []
    good = [trial for trial in facts.trials if trial.number in known.missed]
    seen = f"An audit finished {known.finished} pruned trials: {numbers(good)} would have been "
    if db > metric.step:
        seen += f"good enough, the best of them {metric.apart(db)} above the study's best."
    else:
        seen += "among the best tenth, though none above the study's best."
    return [
        Finding(
            kind="pruner-too-eager",
            about="study",
            seen=seen,
            figures={
                "finished": known.finished,
                "regret, dB": round(db, 3),
                "in the best tenth": round(known.share, 3),
            },
            sure="certain" if db > metric.step else "likely",
            remedy="Let trials train longer before the pruner may end them.",
            change=_later(facts, max(_last(trial) for trial in good)),
        )
    ]


def _ahead_of_the_winner(facts: Facts) -> list[Finding]:
    """Trials that were ended at an epoch at which the later winner stood worse."""
    winner, ended = complete(facts)[0], pruned(facts)
    mark = curve(winner, facts)
    ahead = [
        trial
        for trial in ended
        if at_epoch(curve(trial, facts), _last(trial)) > at_epoch(mark, _last(trial))
    ]
    if len(ahead) < FEWEST or len(ahead) < SHARE * len(ended):
        return []
    latest = max(_last(trial) for trial in ahead)
    return [
        Finding(
            kind="pruner-too-eager",
            about="study",
            seen=f"{len(ahead)} of {len(ended)} pruned trials were ended, up to epoch {latest}, "
            f"while they were ahead of where trial {winner.number}, the best one, was at that "
            "epoch: so early, good and bad cannot be told apart.",
            figures={"ahead": len(ahead), "pruned": len(ended), "latest epoch": latest},
            sure="likely",
            remedy="Let trials train longer before the pruner may end them; `autoencoder-hpo "
            "diagnose NAME --audit 3` finishes some of them and says what was lost.",
            change=_later(facts, max(latest, _behind_the_field(facts, winner))),
        )
    ]


def _last(trial: StoredTrial) -> int:
    return max(trial.intermediate_values, default=0)


def _behind_the_field(facts: Facts, winner: StoredTrial) -> int:
    """The last epoch at which the winner was worse than half of the complete trials."""
    others = [curve(trial, facts) for trial in complete(facts) if trial.number != winner.number]
    behind = [
        epoch
        for epoch, best in curve(winner, facts).items()
        if sum(at_epoch(other, epoch) > best for other in others) > len(others) / 2
    ]
    return max(behind, default=0)


def _later(facts: Facts, epoch: int) -> str | None:
    """The pruner, made to wait until this epoch is over; None where that is the trial's end."""
    first = epoch + 1
    if first >= facts.study.task.epochs:
        return "search.pruner: none"
    match facts.study.search.pruner:
        case Median() | Percentile():
            return pruner_with(facts, warmup_epochs=first)
        case SuccessiveHalving() | Hyperband():
            return pruner_with(facts, min_resource=first)
        case NoPruner():
            return None
