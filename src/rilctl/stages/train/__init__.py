"""`train`: the RIL loop (Algorithm 2) and its baselines; the loop, one step, the rows of a step."""
