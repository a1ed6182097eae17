"""Real models' answers to real benchmarks, and what the rules make of them."""
