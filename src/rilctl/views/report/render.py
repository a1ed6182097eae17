"""A report as what a person reads, or a program."""

from typing import Literal

from rilctl.schemas.report import Report
from rilctl.views.report.markdown import to_markdown

Format = Literal["html", "md", "json"]


def render(report: Report, form: Format) -> str:
    """A page that needs nothing else, Markdown, or JSON after the schema of `Report`."""
    match form:
        case "html":
            from rilctl.views.page import render as render_page

            return render_page(report)
        case "md":
            return to_markdown(report)
        case "json":
            return report.model_dump_json(indent=1) + "\n"
