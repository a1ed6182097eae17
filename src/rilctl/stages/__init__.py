"""A package for each verb, its `run` beside its `plan`, and what they share. No stage imports another stage."""
