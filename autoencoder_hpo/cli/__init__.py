"""The command line: `autoencoder-hpo COMMAND`. Hyperparameters live in study files."""

from autoencoder_hpo.cli.main import app, main

__all__ = ["app", "main"]
