"""Engines that measure a model on a suite of benchmarks."""
