"""Data sets in, `Sample`s out: sources, one shared way from a row to a sample, splits, selection, order."""
