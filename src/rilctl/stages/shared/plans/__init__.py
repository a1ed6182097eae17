"""What the verbs' plans are put together from; the arithmetic is in `rilctl.planning`."""
