"""A loaded model and all that belongs to it: where it comes from, its processor and weights, adapters, anatomy."""
