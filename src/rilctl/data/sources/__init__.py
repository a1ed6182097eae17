"""One file for each kind of data set; each yields raw rows, and `rows.py` makes samples of them."""
