"""`python -m autoencoder_hpo` is the command line."""

from autoencoder_hpo.cli import main

main()
