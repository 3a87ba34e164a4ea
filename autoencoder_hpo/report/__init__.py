"""A study as one page: what happened, and why."""

from typing import Literal

Format = Literal["html", "md", "json", "csv"]
"""What a report can be written as."""
