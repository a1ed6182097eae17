"""Models behind HTTP: one client for teachers, judges and evaluation."""
