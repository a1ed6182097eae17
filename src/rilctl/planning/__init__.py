"""What a run will need, before it runs: pure arithmetic over configurations and sizes; no weights are loaded."""
