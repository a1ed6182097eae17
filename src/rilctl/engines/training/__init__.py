"""Engines that turn losses into better weights."""
