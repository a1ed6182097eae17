"""Type: what a text is, read as a number, a choice, a date and so on."""
