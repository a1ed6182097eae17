"""A run in the terminal while it goes on: curves, newest rollouts, rates, warnings. Read-only."""
