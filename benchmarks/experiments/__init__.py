"""Does it pay? Worlds x regimes x arms x seeds on a CPU, resumable: `nox -s experiments`; see docs/results.md."""
