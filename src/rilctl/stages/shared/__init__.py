"""What several verbs use: a stage's surroundings, inputs, checkpoints, ranks, calls that are paid for once."""
