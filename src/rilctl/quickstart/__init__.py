"""The pocket world: data and model shapes of the quickstart."""
