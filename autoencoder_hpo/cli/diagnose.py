"""The command that says what holds a study back: diagnose."""

from typing import TYPE_CHECKING, Annotated

import typer

from autoencoder_hpo.cli.options import (
    AsJson,
    Device,
    Name,
    StorageUrl,
    console,
    open_database,
    print_json,
    warn,
)

if TYPE_CHECKING:
    from autoencoder_hpo.storage.study import StudyHandle


def diagnose(
    name: Name,
    audit: Annotated[
        int | None,
        typer.Option(
            "--audit",
            min=1,
            metavar="N",
            help="First finish N pruned trials here, to see what pruning has cost.",
        ),
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
    storage: StorageUrl = None,
) -> None:
    """Say what holds a study back, and what to change.

    It looks at the trials and at what is known of the images; nothing is trained. An audit
    trains pruned trials to their end, and the study remembers what they came to.

    Example: autoencoder-hpo diagnose quickstart --audit 3
    """
    from autoencoder_hpo.diagnosis.audit import regret
    from autoencoder_hpo.diagnosis.facts import facts_of
    from autoencoder_hpo.diagnosis.ranking import complete
    from autoencoder_hpo.diagnosis.screen import diagnosis_record, diagnosis_screen
    from autoencoder_hpo.diagnosis.study import diagnose as findings_of
    from autoencoder_hpo.storage.study import open_study

    opened = open_study(open_database(storage), name)
    if audit is not None:
        _audit(opened, audit, device)
    facts = facts_of(opened)
    findings, lost = findings_of(facts), regret(facts)
    if as_json:
        print_json(diagnosis_record(opened.name, findings, lost))
    else:
        done = len(complete(facts))
        metric = opened.study.search.objective
        screen = diagnosis_screen(opened.name, findings, lost, complete=done, metric=metric)
        console().print(screen)


def _audit(opened: "StudyHandle", number: int, device: str | None) -> None:
    """Finish the most promising pruned trials, each kept as soon as it is done."""
    from rich.console import Console
    from rich.progress import Progress

    from autoencoder_hpo.diagnosis.audit import promising
    from autoencoder_hpo.diagnosis.complete_pruned import epochs_of, finish_all
    from autoencoder_hpo.diagnosis.facts import facts_of
    from autoencoder_hpo.inputs import load_inputs, refuse_other_data
    from autoencoder_hpo.settings import settings
    from autoencoder_hpo.training.devices import choose_device

    trials = promising(facts_of(opened), number)
    if not trials:
        warn("no pruned trial is left that an audit could finish")
        return
    inputs = load_inputs(opened.file, settings(), choose_device(device))
    refuse_other_data(opened, inputs)
    screen = Console(stderr=True)  # what is printed in the end may be JSON
    try:
        with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bars:
            of = sum(epochs_of(opened, trial) for trial in trials)
            bar = bars.add_task("epochs", total=of)
            finish_all(opened, trials, inputs, epoch_done=lambda _: bars.advance(bar))
    except KeyboardInterrupt:
        typer.echo("stopped; trials that were finished are kept", err=True)
        raise
