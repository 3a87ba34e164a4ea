"""A diagnosis in a terminal, and as plain values for `--json`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.text import Text

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.diagnosis.audit import Regret
from autoencoder_hpo.diagnosis.findings import Finding, Sure
from autoencoder_hpo.settings import packaged

STYLES: dict[Sure, str] = {"certain": "bold red", "likely": "bold yellow", "possible": "bold cyan"}
NOTHING = "Nothing holds this study back."
TOO_EARLY = "No trial is complete yet: only the images can be judged."
NEW_STUDY = "A changed study file is another study: give it another name: and run it."


def diagnosis_screen(
    study: str,
    findings: Sequence[Finding],
    regret: Regret | None,
    *,
    complete: int,
    metric: Metric,
) -> RenderableType:
    """Each finding with its remedy; how many trials are complete tells what can be judged."""
    lines: list[RenderableType] = []
    if not complete:
        lines.append(Text(f"{study}: {TOO_EARLY}", style="yellow"))
    elif not findings:
        lines.append(Text(f"{study}: {NOTHING}", style="green"))
    else:
        many = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        lines.append(Text(f"{study}: {many}, the surest first", style="bold"))
    for number, finding in enumerate(findings, start=1):
        lines += _finding(number, finding)
    if regret is not None:
        lines.append(Text(f"audit: {audit_line(regret, metric)}"))
    if any(finding.change for finding in findings):
        lines.append(Text(NEW_STUDY, style="dim"))
    return Group(*lines)


def _finding(number: int, finding: Finding) -> list[RenderableType]:
    about = "" if finding.about == "study" else f" ({finding.about})"
    title = Text.assemble(
        f"{number}. ", (finding.kind, STYLES[finding.sure]), f"{about}, {finding.sure}"
    )
    body = [Text(finding.seen), Text.assemble(("do: ", "bold"), finding.remedy)]
    if finding.change:
        body.append(Text(f"    {finding.change}", style="green"))
    body.append(_explained(finding))
    return [title, *(Padding(line, (0, 0, 0, 3)) for line in body)]


def _explained(finding: Finding) -> Text:
    """Where the text of the docs lies on this machine; a terminal opens it."""
    name, _, kind = finding.docs.partition("#")
    text = packaged(name)
    link = f"{text.absolute().as_uri()}#{kind}"
    return Text(f"{text}#{kind}", style=Style(dim=True, link=link))


def audit_line(regret: Regret, metric: Metric) -> str:
    """What the pruning audit came to, in a line."""
    many = "1 pruned trial" if regret.finished == 1 else f"{regret.finished} pruned trials"
    if regret.db is None:
        return f"{many} finished; none had a finite loss to its end"
    side = "above" if regret.db > 0 else "below"
    return (
        f"{many} finished; the best is {metric.apart(abs(regret.db))} {side} the study's best, and "
        f"{len(regret.missed)} of them come within its best tenth"
    )


def diagnosis_record(
    study: str, findings: Sequence[Finding], regret: Regret | None
) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "study": study,
        "findings": [
            {**asdict(finding), "figures": dict(finding.figures), "docs": finding.docs}
            for finding in findings
        ],
        "audit": None if regret is None else asdict(regret),
    }
