"""One token after another, for all rows of all prompts at once."""
