"""Engines that say what is right."""
