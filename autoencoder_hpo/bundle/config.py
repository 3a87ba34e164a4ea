"""What a denoiser was trained on and how: all that its weights do not say."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, ValidationError, model_validator

from autoencoder_hpo.config import Strict, Task, TrialConfig
from autoencoder_hpo.errors import BundleError

FORMAT: Literal[1] = 1
"""Of a bundle; one that this version cannot read has a higher number."""


class BundleConfig(Strict):
    """The content of config.json."""

    format: Literal[1] = FORMAT
    study: str
    trial: int = Field(ge=0)
    task: Task
    config: TrialConfig
    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    """(C, H, W) of the training images."""
    mean: float
    """What the model subtracts from its input, in [0, 1]; 0 unless it standardizes."""
    std: Annotated[float, Field(gt=0)]
    """What it divides by after that; 1 unless it standardizes."""
    low: float
    """The stored value that became 0."""
    high: float
    """The stored value that became 1."""
    versions: dict[str, str]

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if self.high <= self.low:
            raise ValueError(f"high ({self.high:g}) must be above low ({self.low:g})")
        return self


def config_text(config: BundleConfig) -> str:
    return config.model_dump_json(indent=2) + "\n"


def parse_config(content: bytes, where: Path) -> BundleConfig:
    """Raises BundleError: it is not what `config_text` writes."""
    try:
        return BundleConfig.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{where}: {place}: {first['msg']}; write the bundle anew") from error
