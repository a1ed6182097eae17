"""`rilctl rehearse`: a recipe's layout, every process of it, with small models on this machine."""
