"""Two runs or artifacts beside one another."""
