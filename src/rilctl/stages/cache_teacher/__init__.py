"""`cache-teacher`: asks large models once, and keeps what they say."""
