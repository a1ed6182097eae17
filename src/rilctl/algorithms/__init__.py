"""The paper as pure tensor functions: no disk, no network, no logging, no global random state, nothing else of ours."""
