"""Compare: whether two values of a kind are the same."""
