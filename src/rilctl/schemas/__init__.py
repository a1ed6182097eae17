"""What the disk holds: pydantic models of records and manifests, versioned, exported as JSON Schema."""
