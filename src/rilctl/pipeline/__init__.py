"""Walks the verbs: those of one recipe in this process (`run`), or the quickstart's arms in processes of their own."""
