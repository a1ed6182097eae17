"""Mirrors of a run's metrics: `metrics.jsonl` stays the truth. One file for each tracker, which `table` finds."""
