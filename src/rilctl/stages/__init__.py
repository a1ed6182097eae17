"""One file per verb: wires the rooms below, owns the loop. No stage imports another stage."""
