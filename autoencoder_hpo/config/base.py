"""What every part of a study file keeps to."""

import difflib
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """Values cannot change once checked, and a misspelt key is an error that says so."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, given: Any) -> Any:
        unknown = (
            [key for key in given if key not in cls.model_fields] if type(given) is dict else []
        )
        if unknown:
            key = str(unknown[0])
            close = difflib.get_close_matches(key, cls.model_fields, 1)
            raise PydanticCustomError(
                "unknown_key",
                "unknown key {key}{hint}; allowed: {allowed}",
                {
                    "key": key,
                    "hint": f" (did you mean {close[0]}?)" if close else "",
                    "allowed": ", ".join(cls.model_fields),
                },
            )
        return given
