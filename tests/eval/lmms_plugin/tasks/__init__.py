"""lmms-eval looks for tasks in every plugin; there are none."""
