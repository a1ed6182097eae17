"""A report as one HTML file: no network, opens from disk."""

from rilctl.views.page.render import render

__all__ = ["render"]
