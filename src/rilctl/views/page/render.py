"""The file put together: HTML by jinja2 with everything escaped, style, scripts, and the report as data."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rilctl.schemas.report import Report
from rilctl.views.page import choices
from rilctl.views.page.formats import FORMATS
from rilctl.views.page.payload import payload_of

_HERE = Path(__file__).parent
_LIBRARY = (
    "d3-array",
    "d3-path",
    "d3-shape",
    "d3-color",
    "d3-interpolate",
    "d3-format",
    "d3-time",
    "d3-time-format",
    "d3-scale",
)
"""Parts of D3, each after those that it needs."""
_SCRIPTS = (
    "base",
    "theme",
    "marks",
    "axes",
    "cursor",
    "legend",
    "table",
    "lines",
    "stack",
    "charts",
    "panels",
    "sizes",
    "lineage",
    "histogram",
    "filters",
    "groups",
    "group",
    "rollouts",
    "keys",
    "start",
)
"""Ours, in the order in which they stand in one function."""


def render(report: Report) -> str:
    """One self-contained page.

    Texts of a report are foreign (questions, responses, names): the template escapes them, scripts set them as text
    alone, and the page's policy lets no script run but the two whose digests it names, and nothing be requested.
    """
    report = report.model_copy(update={"sizes": choices.comparable(report.sizes)})
    library = "\n".join(_read(f"vendor/{name}.min.js") for name in _LIBRARY)
    ours = "\n".join(_read(f"scripts/{name}.js") for name in _SCRIPTS)
    script = f'(() => {{\n"use strict";\n{ours}}})();\n'
    style = _read("page.css")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            choices=choices,
            policy=_policy(scripts=(library, script), style=style),
            library=library,
            script=script,
            style=style,
            payload=payload_of(report),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FORMATS)
    return environment


def _policy(scripts: tuple[str, ...], style: str) -> str:
    """The content security policy: what may run is named by its digest, pictures are data, all else is forbidden."""
    named = " ".join(_source(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {named}; style-src {_source(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
