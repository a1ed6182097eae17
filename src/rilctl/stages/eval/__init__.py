"""`eval`: measures a model on a suite of benchmarks; which engine does, the scores, what they are compared with."""
