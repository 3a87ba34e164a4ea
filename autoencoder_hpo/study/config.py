"""What a study file says: the task, how to search, and a space of trial configs."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, WithJsonSchema

from autoencoder_hpo.config import Strict, Task
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.space import Tree

# ---- samplers: how the next trial is chosen --------------------------------------------


class Tpe(Strict):
    """Learns which values the better trials share, also of conditional parameters
    (Bergstra et al., 2011)."""

    kind: Literal["tpe"]
    startup_trials: int = Field(default=10, ge=1, le=10_000)
    """Trials drawn at random before it learns from them."""


class Random(Strict):
    """Independent draws: the honest baseline."""

    kind: Literal["random"]


class Grid(Strict):
    """Every combination once; ranges need steps."""

    kind: Literal["grid"]


class GaussianProcess(Strict):
    """Bayesian optimization: for few, costly trials and few parameters."""

    kind: Literal["gp"]
    startup_trials: int = Field(default=10, ge=1, le=10_000)
    """Trials drawn at random before it learns from them."""


class CmaEs(Strict):
    """Evolution of numerical parameters (Hansen & Ostermeier, 2001)."""

    kind: Literal["cmaes"]
    startup_trials: int = Field(default=1, ge=0, le=10_000)
    """Trials drawn at random before it learns from them."""


class Qmc(Strict):
    """Evenly spread points: like random, without clumps."""

    kind: Literal["qmc"]
    sequence: Literal["sobol", "halton"] = "sobol"


# ---- pruners: which trials end early ---------------------------------------------------


class PrunerBase(Strict):
    """What pruners that compare a trial with earlier ones may say."""

    startup_trials: int = Field(default=5, ge=0, le=10_000)
    """Complete trials before any is pruned."""
    warmup_epochs: int = Field(default=1, ge=0, le=100_000)
    """Epochs in which no trial is pruned."""
    interval: PositiveInt | None = None
    """Epochs between two looks at a trial; left out, each look is a quarter later than the last."""
    min_trials: PositiveInt = 1
    """Trials that must have reached an epoch before one is pruned there."""


class Median(PrunerBase):
    """Ends a trial whose best score is worse than the median of the others at that epoch."""

    kind: Literal["median"]


class Percentile(PrunerBase):
    """Ends a trial that is not among the best few percent at that epoch."""

    kind: Literal["percentile"]
    percentile: float = Field(default=25.0, gt=0, lt=100)
    """The share of trials that may go on, in percent."""


class SuccessiveHalving(Strict):
    """Lets one trial in `reduction_factor` go on, at ever longer intervals (Li et al., 2020)."""

    kind: Literal["successive_halving"]
    min_resource: PositiveInt | Literal["auto"] = 1
    """Epochs of the shortest trials."""
    reduction_factor: int = Field(default=4, ge=2, le=100)


class Hyperband(Strict):
    """Several successive halvings, from bold to patient (Li et al., 2018)."""

    kind: Literal["hyperband"]
    min_resource: PositiveInt = 1
    """Epochs of the shortest trials."""
    reduction_factor: int = Field(default=3, ge=2, le=100)


class NoPruner(Strict):
    """Every trial trains to its end."""

    kind: Literal["none"]


# ---- the search ------------------------------------------------------------------------


def _named(given: Any) -> Any:
    """`sampler: tpe` is short for `sampler: {kind: tpe}`."""
    return {"kind": given} if isinstance(given, str) else given


SamplerConfig = Annotated[
    Tpe | Random | Grid | GaussianProcess | CmaEs | Qmc, Field(discriminator="kind")
]
PrunerConfig = Annotated[
    Median | Percentile | SuccessiveHalving | Hyperband | NoPruner, Field(discriminator="kind")
]

DURATION = r"(?=.)(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?"


def seconds(given: Any) -> Any:
    """`30m`, `2h`, `90s` and `1h30m` in seconds; a number stays one. Raises ValueError."""
    if isinstance(given, str):
        found = re.fullmatch(DURATION, given.strip())
        if found is None:
            raise ValueError(f"found {given!r}; must be seconds, or such as 30m, 2h or 1h30m")
        hours, minutes, rest = (float(part or 0) for part in found.groups())
        given = 3600 * hours + 60 * minutes + rest
    if isinstance(given, bool):
        raise ValueError("found true or false; must be seconds, or such as 30m or 2h")
    return given


Timeout = Annotated[
    float,
    Field(gt=0, le=1e9),
    BeforeValidator(seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?$"},
            ]
        }
    ),
]


Objective = Annotated[
    Metric, WithJsonSchema({"enum": [metric.value for metric in Metric], "type": "string"})
]

NAME = r"^[a-z0-9][a-z0-9_.-]{0,62}$"


class SearchConfig(Strict):
    """How trials are chosen and cut short, and when to stop."""

    sampler: Annotated[SamplerConfig, BeforeValidator(_named)] = Tpe(kind="tpe")
    """How the next trial is chosen."""
    pruner: Annotated[PrunerConfig, BeforeValidator(_named)] = Median(kind="median")
    """Which trials end early."""
    objective: Objective = Metric.VAL_MSE
    """What the search improves: lower MSE or BCE (of output sigmoid), higher PSNR or SSIM."""
    trials: PositiveInt | None = None
    """Stop after this many trials, complete or pruned; a grid's are all of its cells."""
    timeout: Timeout | None = None
    """Stop after this long: seconds, or such as 30m, 2h, 1h30m."""
    patience: PositiveInt | None = None
    """Stop after so many ended trials without a best one better by 0.05 dB (of BCE: 0.01 dB)."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Decides what is tried and how it is trained; never the data."""
    start: list[Tree] = Field(default=[])
    """Whole or partial trial configs to try first: known-good ones, winners of earlier studies."""


class StudyConfig(Strict):
    """A study file."""

    name: str = Field(pattern=NAME)
    """What the study is called in the database."""
    description: str = ""
    """A line for people."""
    task: Task
    search: SearchConfig
    trial: Tree
    """A TrialConfig, with holes where the search may choose."""

    @property
    def space(self) -> dict[str, Any]:
        """The search space: what the file calls `trial`, of which each trial is one point."""
        return self.trial
