"""The command line, as `autoencoder-hpo` and as `python -m autoencoder_hpo`."""


def run() -> None:
    """Import and run the commands; a Ctrl-C while they are imported is no traceback either."""
    try:
        from autoencoder_hpo.cli import main

        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    run()
