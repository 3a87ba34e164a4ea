"""Search for the denoising autoencoder that restores your images best."""
