"""A prompt is computed once for all rows of its group, in the forms that a model and a device allow."""
