"""A worker's flag; what workers do is in tests/integration/test_workers.py."""

import pytest

from autoencoder_hpo.stopping import StopFlag


def test_an_interrupt_that_comes_out_as_another_error_is_an_interrupt() -> None:
    """As it does where a compiled module is being imported."""
    stop = StopFlag()

    def load() -> None:
        with stop.at_once():
            stop.set()
            raise ImportError("initialization failed")

    with pytest.raises(KeyboardInterrupt):
        load()


def test_an_error_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(ImportError, match="no such module"), StopFlag().at_once():
        raise ImportError("no such module")
