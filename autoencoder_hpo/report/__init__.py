"""A study as one page: what happened, and why."""
