"""Models and data that nobody here made, from the packages that ship them: `nox -s real`."""
