"""Study files: what they may say, and what is wrong with one that says something else.

config    the pydantic models of a study
file      read, compared with the stored one, summed up
shipped   the studies that come with the program, by their names
rules     what no single field can know: corners, budgets, what samplers can serve
starts    the configs of `search.start`
wording   pydantic's errors in plain words
yamlfile  YAML whose every value knows its line
"""

from autoencoder_hpo.study.config import (
    NAME,
    CmaEs,
    GaussianProcess,
    Grid,
    Hyperband,
    Median,
    NoPruner,
    Percentile,
    PrunerConfig,
    Qmc,
    Random,
    SamplerConfig,
    SearchConfig,
    StudyConfig,
    SuccessiveHalving,
    Tpe,
)
from autoencoder_hpo.study.file import (
    CheckSummary,
    StudyFile,
    check_summary,
    differences,
    load_study,
    parse_duration,
    parse_study,
)
from autoencoder_hpo.study.rules import sampler_notes

__all__ = [
    "NAME",
    "CheckSummary",
    "CmaEs",
    "GaussianProcess",
    "Grid",
    "Hyperband",
    "Median",
    "NoPruner",
    "Percentile",
    "PrunerConfig",
    "Qmc",
    "Random",
    "SamplerConfig",
    "SearchConfig",
    "StudyConfig",
    "StudyFile",
    "SuccessiveHalving",
    "Tpe",
    "check_summary",
    "differences",
    "load_study",
    "parse_duration",
    "parse_study",
    "sampler_notes",
]
