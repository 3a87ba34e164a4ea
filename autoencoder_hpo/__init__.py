"""Search for the denoising autoencoder that restores your images best."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoencoder_hpo.bundle import load_denoiser

    __version__: str

__all__ = ["__version__", "load_denoiser"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: torch takes seconds, and `--help` needs none of it."""
    if name == "load_denoiser":
        from autoencoder_hpo.bundle import load_denoiser

        return load_denoiser
    if name == "__version__":
        from autoencoder_hpo.provenance import versions

        return versions()["autoencoder-hpo"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
