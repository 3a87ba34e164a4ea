"""What was counted of a study's images, as values: it is stored, and read without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Folders:
    """How many there are with training images; the name and images of the smallest and largest."""

    number: int
    fewest: tuple[str, int]
    most: tuple[str, int]

    def as_record(self) -> dict[str, Any]:
        return {"number": self.number, "fewest": list(self.fewest), "most": list(self.most)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        (rare, few), (common, many) = record["fewest"], record["most"]
        return cls(record["number"], (rare, few), (common, many))


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Counts and shares, rounded.

    Attributes:
        looked_at: images whose pixels were counted.
        copies: validation images that are training images as well, pixel by pixel; constant ones
            do not count.
        constant, white, outliers: how many of those that were looked at.
        typically_white: the median image's share of pixels at 1.
        at_0, at_1: shares of all values at the ends of the range.
        folders: None without several folders.
    """

    looked_at: int
    copies: int
    constant: int
    white: int
    typically_white: float
    outliers: int
    at_0: float
    at_1: float
    folders: Folders | None

    def as_record(self) -> dict[str, Any]:
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**known, "folders": self.folders and self.folders.as_record()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises KeyError where something is missing."""
        known = {each.name: record[each.name] for each in fields(cls)}
        folders = known.pop("folders")
        return cls(**known, folders=None if folders is None else Folders.of_record(folders))
