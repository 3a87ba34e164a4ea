"""How trials are chosen and cut short: Optuna's samplers and pruners, made for many workers.

Every trial's randomness comes from (study seed, trial number), never from a sampler that
lives in one worker: the same study visits the same points with 1 worker or 4.
"""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any, assert_never

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.space import cells, parameters
from autoencoder_hpo.storage.records import TrialRecord
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.study import (
    CmaEs,
    GaussianProcess,
    Grid,
    Hyperband,
    Median,
    NoPruner,
    Percentile,
    Qmc,
    Random,
    StudyConfig,
    SuccessiveHalving,
    Tpe,
)


def build_sampler(study: StudyConfig) -> BaseSampler:
    seed = study.search.seed
    match study.search.sampler:
        case Tpe() as tpe:
            # `group` draws conditional parameters jointly with those that occur with them.
            return PerTrial(
                lambda seed: TPESampler(
                    seed=seed,
                    multivariate=True,
                    group=True,
                    n_startup_trials=tpe.startup_trials,
                ),
                seed,
            )
        case Random():
            return PerTrial(lambda seed: RandomSampler(seed=seed), seed)
        case GaussianProcess() as gp:
            return PerTrial(
                lambda seed: GPSampler(
                    seed=seed,
                    n_startup_trials=gp.startup_trials,
                    warn_independent_sampling=False,
                ),
                seed,
            )
        case CmaEs() as cmaes:
            return PerTrial(
                lambda seed: CmaEsSampler(
                    seed=seed,
                    n_startup_trials=cmaes.startup_trials,
                    warn_independent_sampling=False,
                ),
                seed,
            )
        case Qmc() as qmc:
            names = sorted(parameter.name for parameter in parameters(study.space))
            return PointSampler(lambda number: _low_discrepancy(qmc, names, seed, number))
        case Grid():
            return GridSampler(list(cells(study.space)))
        case _ as never:
            assert_never(never)


def build_pruner(study: StudyConfig) -> BasePruner:
    match study.search.pruner:
        case NoPruner():
            return optuna.pruners.NopPruner()
        case Percentile() as percentile:
            return optuna.pruners.PercentilePruner(
                percentile.percentile,
                n_startup_trials=percentile.startup_trials,
                n_warmup_steps=percentile.warmup_epochs,
                interval_steps=percentile.interval or 1,
                n_min_trials=percentile.min_trials,
            )
        case Median() as median:
            return optuna.pruners.MedianPruner(
                n_startup_trials=median.startup_trials,
                n_warmup_steps=median.warmup_epochs,
                interval_steps=median.interval or 1,
                n_min_trials=median.min_trials,
            )
        case SuccessiveHalving() as halving:
            return optuna.pruners.SuccessiveHalvingPruner(
                min_resource=halving.min_resource,
                reduction_factor=halving.reduction_factor,
            )
        case Hyperband() as hyperband:
            return optuna.pruners.HyperbandPruner(
                min_resource=hyperband.min_resource,
                max_resource=study.task.epochs,
                reduction_factor=hyperband.reduction_factor,
            )
        case _ as never:
            assert_never(never)


def is_rung(study: StudyConfig) -> Callable[[int], bool]:
    """After which epochs the pruner is asked; at others it could not say yes (R15)."""
    match study.search.pruner:
        case NoPruner():
            return lambda epoch: False
        case Percentile() | Median() as pruner:
            warmup, every = pruner.warmup_epochs, pruner.interval
            if every is None:
                return lambda epoch: epoch >= warmup and epoch in _spreading(study.task.epochs)
            return lambda epoch: epoch >= warmup and (epoch - warmup) % every == 0
        case SuccessiveHalving(min_resource="auto"):  # known only when trials have finished
            return lambda epoch: True
        case SuccessiveHalving() | Hyperband() as halving:
            rungs = {halving.min_resource * halving.reduction_factor**k for k in range(40)}
            return lambda epoch: epoch in rungs
        case _ as never:
            assert_never(never)


@cache
def _spreading(epochs: int) -> frozenset[int]:
    """1, 2, 3, 4, 5, 7, 9, 12, 15, 19, …: each a quarter more than the one before."""
    rungs = [1]
    while rungs[-1] < epochs:
        rungs.append(max(rungs[-1] + 1, rungs[-1] * 5 // 4))
    return frozenset(rungs)


class PerTrial(BaseSampler):
    """A fresh sampler for every trial, seeded by the trial's number.

    What a sampler has learned is read from the finished trials, so nothing is lost (R12).
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make = make
        self._seed = seed
        self._made: tuple[int, BaseSampler, Any] | None = None

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> tuple[BaseSampler, Any]:
        if self._made is None or self._made[0] != trial.number:
            seed = seed_for(self._seed, "sampler", trial.number) % 2**32
            self._made = (trial.number, self._make(seed), Lessons(study))
        return self._made[1:]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        sampler, lessons = self._of(study, trial)
        return sampler.infer_relative_search_space(lessons, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        sampler, lessons = self._of(study, trial)
        return sampler.sample_relative(lessons, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        sampler, lessons = self._of(study, trial)
        return sampler.sample_independent(lessons, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._made = None  # whoever asks again, after an outage, draws the same
        sampler, lessons = self._of(study, trial)
        sampler.before_trial(lessons, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        sampler, lessons = self._of(study, trial)
        sampler.after_trial(lessons, trial, state, values)


class PruningCheck:
    """Asks the pruner about one trial, and reads no more than it must (R15)."""

    def __init__(self, opened: StudyHandle, number: int) -> None:
        self._opened = opened
        self._number = number
        self._complete = -1
        self._study: Any = None

    def falls_behind(self, values: Mapping[int, float], *, complete: int) -> bool:
        """Whether to end the trial, whose objective came to these values after these epochs.

        `complete`: how many trials of the study are complete by now. Medians and percentiles
        compare with nothing else, so that the trials are read again only when there are more.
        """
        compares = isinstance(self._opened.study.search.pruner, Percentile | Median)
        if not compares or complete != self._complete:
            self._study = Lessons(self._opened.optuna)
            self._complete = complete
        trial = copy(self._study.get_trials()[self._number])
        trial.intermediate_values = dict(values)
        return self._opened.optuna.pruner.prune(self._study, trial)


class Lessons:
    """A study in which samplers see trials that failed by themselves as infeasible ones.

    TPE ignores a FAIL, and would propose the same again (R8). Trials whose worker was lost too
    often teach nothing: that is not their parameters' doing. Trials are read once.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self._seen: list[FrozenTrial] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._get_trials(deepcopy, states)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        if self._seen is None:
            trials = self._study.get_trials(deepcopy=False)
            self._seen = [_as_infeasible(trial) for trial in trials]
        return [trial for trial in self._seen if states is None or trial.state in states]


def _as_infeasible(trial: FrozenTrial) -> FrozenTrial:
    if trial.state is not TrialState.FAIL or not trial.constraints:
        return trial
    seen = copy(trial)
    seen.state = TrialState.PRUNED
    return seen


class _Independent(BaseSampler):
    """A sampler that knows every parameter's value without asking the other trials."""

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}


class GridSampler(_Independent):
    """The cell of the grid that the trial was given when it was claimed."""

    def __init__(self, grid: Sequence[Mapping[str, Any]]) -> None:
        self.grid = grid

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        # Claimed trials carry their cell; the trial object may have been read before it was set.
        attrs = study._storage.get_trial_user_attrs(trial._trial_id)
        cell = TrialRecord.of_attrs(attrs).cell
        assert cell is not None, "whoever claims a trial of a grid gives it a cell"
        return self.grid[cell][param_name]


class PointSampler(_Independent):
    """A point of the unit cube for every trial number, whoever asks and in whatever order (R13)."""

    def __init__(self, point: Callable[[int], Mapping[str, float]]) -> None:
        self._point = point

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return value_at(self._point(trial.number)[param_name], param_distribution)


def _low_discrepancy(qmc: Qmc, names: list[str], seed: int, number: int) -> dict[str, float]:
    """The point of this number in a scrambled sequence (Sobol, 1967; Halton, 1960; Owen, 1998)."""
    from scipy.stats.qmc import Halton, Sobol  # slow to import, needed by few studies

    make = {"sobol": Sobol, "halton": Halton}[qmc.sequence]
    sequence = make(len(names), scramble=True, rng=seed_for(seed, "qmc") % 2**32)
    coordinates = sequence.fast_forward(number).random(1)[0] if number else sequence.random(1)[0]
    return dict(zip(names, map(float, coordinates), strict=True))


def value_at(coordinate: float, distribution: BaseDistribution) -> Any:
    """The value at this place of a range: 0 is its low end, 1 its high end."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[min(int(coordinate * len(choices)), len(choices) - 1)]
        case IntDistribution(low=low, high=high, step=step, log=log):
            steps = (high - low) // step + 1
            if log:
                return min(int(_between(coordinate, low, high + 1, log=True)), high)
            return low + step * min(int(coordinate * steps), steps - 1)
        case FloatDistribution(low=low, high=high, step=None, log=log):
            return min(max(_between(coordinate, low, high, log=log), low), high)
        case FloatDistribution(low=low, high=high, step=float(step)):
            steps = round((high - low) / step) + 1
            return min(low + step * min(int(coordinate * steps), steps - 1), high)
        case _:
            raise TypeError(f"no such distribution: {distribution}")


def _between(coordinate: float, low: float, high: float, *, log: bool) -> float:
    if log:
        return math.exp(_between(coordinate, math.log(low), math.log(high), log=False))
    return low + coordinate * (high - low)


def with_search(opened: StudyHandle) -> StudyHandle:
    """The same study, able to choose and prune trials."""
    study = optuna.load_study(
        study_name=opened.name,
        storage=opened.storage.optuna,
        sampler=build_sampler(opened.study),
        pruner=build_pruner(opened.study),
    )
    return replace(opened, optuna=study)
