"""The rooms of `eval`: which engine evaluates, what the scores are, what they are compared with."""
