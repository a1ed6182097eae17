"""The command line: parse, load the recipe, run the stage, render. No logic of its own, no torch at import."""
