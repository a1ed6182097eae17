"""A small model of each family, with random weights: a file for each."""
