"""Benchmarks that lmms-eval defines, run by lmms-eval, answered by our engines. Needs `rilctl[eval]`."""
