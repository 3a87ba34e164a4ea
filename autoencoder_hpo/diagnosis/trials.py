"""What holds one trial back."""

from optuna.trial import FrozenTrial

from autoencoder_hpo.diagnosis.findings import Facts, Finding


def of_trial(trial: FrozenTrial, facts: Facts) -> list[Finding]:
    return []
