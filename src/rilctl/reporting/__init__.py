"""metrics.jsonl first, everything else as its mirror: progress, plots."""
