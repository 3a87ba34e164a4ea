"""Seeds: stable, and unrelated for different purposes."""

from autoencoder_hpo.seeds import seed_for


def test_seeds_are_fixed_forever_and_fit_a_generator() -> None:
    """Another value would change the split and the noise of every study there is."""
    assert seed_for(0, "split") == 3311908799196191014
    assert all(0 <= seed_for(i, "x") < 2**63 for i in range(100))


def test_seeds_tell_purposes_apart() -> None:
    parts = [(0, "split"), (1, "split"), (0, "train"), ("0", "split"), (0, "s", "plit"), (0,), ()]
    assert len({seed_for(*each) for each in parts}) == len(parts)
