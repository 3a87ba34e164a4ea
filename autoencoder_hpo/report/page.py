"""The report as one HTML page: it needs no other file and asks nothing of a network.

plotly.js has 4.8 MB, which would leave no room for pictures: it is compressed to 2.0 MB of text,
and the page's own script unpacks it. A browser runs these two scripts only, by their hashes,
whatever text a study may bring.
"""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from optuna.trial import TrialState

from autoencoder_hpo import text
from autoencoder_hpo.provenance import versions
from autoencoder_hpo.report.comparing import Comparison, progress
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.drawing import Figure
from autoencoder_hpo.report.figures import figures
from autoencoder_hpo.report.origins import commands, environments
from autoencoder_hpo.report.tables import best_table, own_columns, trials_table
from autoencoder_hpo.report.wording import (
    audited,
    clipped,
    counted,
    moment,
    no_findings,
    reasons,
    saving,
    value,
    verdict,
)
from autoencoder_hpo.storage.wording import count_line

MARK = '<meta name="generator" content="autoencoder-hpo report'


def page(contents: Contents) -> str:
    """The report of one study."""
    drawn = figures(contents)
    return _render(
        "page.html",
        [figure for some in drawn.values() for figure in some],
        title=contents.name,
        contents=contents,
        verdict=verdict(contents),
        figures=drawn,
        no_findings=no_findings(contents),
        best=best_table(contents),
        trials=trials_table(contents),
        grid=contents.grid,
        own=own_columns(contents),
        failures=reasons(contents.trials, TrialState.FAIL),
        saving=saving(contents),
        audited=audited(contents),
        environments=environments(contents.trials),
        commands=commands(contents),
        made=moment(contents.made),
    )


def comparison_page(comparison: Comparison) -> str:
    """Several studies beside each other."""
    figure = progress(comparison)
    return _render(
        "comparison.html",
        [figure] if figure else [],
        title="Comparison",
        comparison=comparison,
        figure=figure,
        made=moment(comparison.made),
    )


def _render(template: str, drawn: Sequence[Figure], **values: Any) -> str:
    script = _script("script.js")
    allowed = [_hash(script), *([_hash(plotly())] if drawn else [])]
    page_template = _environment().get_template(template)
    return page_template.render(
        **values,
        policy=_policy(allowed),
        script=Markup(script),
        style=Markup(_script("style.css")),
        plotly=_packed() if drawn else "",
        plots=[{"key": figure.key, **figure.plot} for figure in drawn],
        version=versions()["autoencoder-hpo"],
    )


def _policy(scripts: Sequence[str]) -> str:
    """Nothing but what is inline, and of scripts these alone; plotly writes styles of its own."""
    allowed = " ".join(f"'sha256-{each}'" for each in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autoencoder_hpo.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = (
        text.db,
        text.score,
        text.gain,
        text.mse,
        text.ssim,
        text.duration,
        text.number,
        count_line,
        clipped,
        counted,
        value,
    )
    environment.filters.update({each.__name__: each for each in shown})
    return environment


# ---- scripts ---------------------------------------------------------------------------


def _script(name: str) -> str:
    return (files("autoencoder_hpo.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def plotly() -> str:
    """plotly.js, as the wheel of plotly has it."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@cache
def _packed() -> str:
    packed = gzip.compress(plotly().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode()


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
