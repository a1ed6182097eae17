"""Long-lived costly things behind Protocols: generation, training, judging, evaluation. They touch no artifacts."""
