"""The inside of `train`: what a run is made from, its loop, one step, the rows of a step."""
