"""What a person writes: the frozen pydantic models of a recipe, one file per verb. Imports no heavy library."""
