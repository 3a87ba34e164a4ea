"""One study's report, or the comparison of several, in the format that was asked for."""

from collections.abc import Sequence
from typing import assert_never

from autoencoder_hpo.report import Format
from autoencoder_hpo.report.comparing import compare
from autoencoder_hpo.report.contents import Contents
from autoencoder_hpo.report.markdown import comparison_markdown, markdown
from autoencoder_hpo.report.page import comparison_page, page
from autoencoder_hpo.report.values import as_csv, as_json, comparison_json


def render(studies: Sequence[Contents], form: Format) -> str:
    several = len(studies) > 1
    match form:
        case "html":
            return comparison_page(compare(studies)) if several else page(studies[0])
        case "md":
            return comparison_markdown(compare(studies)) if several else markdown(studies[0])
        case "json":
            return comparison_json(compare(studies)) if several else as_json(studies[0])
        case "csv":
            return as_csv(studies)
        case _:
            assert_never(form)
