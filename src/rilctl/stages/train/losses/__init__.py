"""What a step's loss is made of: one file for each part that an algorithm's record names."""
