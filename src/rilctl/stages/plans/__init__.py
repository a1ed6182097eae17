"""What each verb says for `--dry-run`: it finds the inputs, and leaves the arithmetic to `rilctl.planning`."""
