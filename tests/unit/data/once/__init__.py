"""Tests of `rilctl.data.once`."""
