"""Walks the verbs: those of one recipe in this process (`run`), or a comparison's arms in processes of their own."""
