"""Students to the hub and back: what is sent is shown first, what comes is checked."""
