"""`data show`, `data check`, `ask`: what models will see of a recipe's rows, and what one says; nothing is written."""
