"""What pyproject.toml cannot say: studies and texts lie beside the package and travel inside it."""

from setuptools import find_packages, setup

BESIDE = {"studies": "studies", "studies.literature": "studies/literature", "docs": "docs"}

setup(
    packages=[
        *find_packages(include=["autoencoder_hpo*"]),
        *(f"autoencoder_hpo.{name}" for name in BESIDE),
    ],
    package_dir={f"autoencoder_hpo.{name}": folder for name, folder in BESIDE.items()},
)
