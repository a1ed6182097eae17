"""Runs as they stand on disk, finished or not, sound or not, read without a lock."""
