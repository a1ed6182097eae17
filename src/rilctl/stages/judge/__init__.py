"""`judge`: says of responses whether they are right."""
