"""Where clean images come from."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from autoencoder_hpo.config.base import Strict

Share = Annotated[float, Field(gt=0, lt=1)] | PositiveInt


class DataBase(Strict):
    """What every data set may say, and what follows from its kind."""

    split_by: ClassVar[Literal["images", "files"]] = "images"
    """What `validation` and `test` count. The patches of a file stay together."""
    paired: ClassVar[bool] = False
    """Whether it brings a noisy partner for each image; then a task has no corruption."""

    train: PositiveInt | None = None
    """How many training images to search on, drawn with the task's seed; all when left out."""
    validation: Share = 0.1
    """Validation images: a share of those that are not test images, or a number of them."""
    test: Share = 0.1
    """Test images, held out: a share or a number. Data sets with official test images use those."""
    scale: Literal["dtype", "minmax"] = "dtype"
    """How pixels reach [0, 1]: by their type's range, or by the training images' extremes."""


class DigitsData(DataBase):
    """scikit-learn's 1,797 handwritten digits, 8×8; needs no network."""

    dataset: Literal["digits"]


class TorchvisionData(DataBase):
    """A data set that torchvision downloads on first use."""

    dataset: Literal["fashion_mnist", "mnist", "kmnist", "emnist", "cifar10", "svhn"]
    root: Path | None = None
    """A folder that holds a copy already: torchvision's layout, or the bare IDX files."""


class FolderData(DataBase):
    """Any images below a folder, cut into fixed patches and split by file."""

    split_by = "files"

    dataset: Literal["folder"]
    path: Path
    """The folder; images are found in it and below it."""
    patch: int | None = Field(default=None, ge=4)
    """Side of the square patches, in pixels; left out, whole images of one size are used."""
    patches: PositiveInt = 64
    """Patches cut from each image, at places drawn with the task's seed."""
    color: Literal["auto", "grey", "rgb"] = "auto"
    """What images become; `auto` takes them as they are, when all are the same."""


class PairsData(DataBase):
    """Two folders, noisy and clean, whose files are matched by name."""

    split_by = "files"
    paired = True

    dataset: Literal["pairs"]
    noisy: Path
    clean: Path
    patch: int | None = Field(default=None, ge=4)
    """Side of the square patches, in pixels; left out, whole images of one size are used."""
    patches: PositiveInt = 64
    """Patches cut from each pair, at places drawn with the task's seed."""
    color: Literal["auto", "grey", "rgb"] = "auto"


class ArrayData(DataBase):
    """Images or feature vectors in a .npy or .npz file: [N,H,W], [N,C,H,W], [N,H,W,C] or [N,D]."""

    dataset: Literal["array"]
    path: Path
    key: str | None = None
    """The array's name inside an .npz file that holds several."""
    layout: Literal["auto", "channels_first", "channels_last"] = "auto"
    """Where a four-dimensional array keeps its channels."""
    missing: Literal["refuse", "mean", "zero"] = "refuse"
    """What becomes of NaN and infinite pixels: an error, the training images' mean there, or 0."""


DataConfig = Annotated[
    DigitsData | TorchvisionData | FolderData | PairsData | ArrayData,
    Field(discriminator="dataset"),
]
