"""The rules in three rooms: read the one final answer, type it, compare by type."""
