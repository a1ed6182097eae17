"""Trackers of this process that hang: what their libraries do at the end of a process would hang as well."""

HANGING: set[str] = set()
"""Their names."""
