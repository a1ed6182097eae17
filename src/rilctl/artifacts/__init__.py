"""The only code that writes artifacts: runs, atomic commit, shards, digests, locks, lineage, the call cache."""
