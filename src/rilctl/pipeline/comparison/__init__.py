"""`rilctl compare`: arms of one recipe, from one teacher cache, one set of verdicts and one student, side by side."""
