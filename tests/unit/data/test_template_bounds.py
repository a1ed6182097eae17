"""A template of a recipe that doesn't end, or grows, ends the run; one that is long doesn't."""

import sys

import pytest

from rilctl.data.template import QuestionTemplate
from rilctl.errors import DataError, RowError


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(64) }}",
        "{% set n = namespace(x=q) %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x|length }}",
    ],
    ids=["loops", "macros", "doubling"],
)
def test_it_ends_the_run(template: str) -> None:
    with pytest.raises(DataError, match=r"data\.template takes too much (time|memory) for one row"):
        QuestionTemplate(template).render({"q": "what?"})
    assert sys.gettrace() is None


@pytest.mark.parametrize("template", ["{{ 10 ** (10 ** 10) }}", "{{ q * 10 ** 11 }}", "{{ '%99999999999d' % 1 }}"])
def test_one_operation_makes_nothing_large(template: str) -> None:
    with pytest.raises(RowError, match="is too large"):
        QuestionTemplate(template).render({"q": "what?"})


def test_what_is_long_is_filled_in() -> None:
    template = QuestionTemplate(
        "{% for i in range(3000) %}{{ q * 2 }} {{ 7 % 4 }}{{ 2 ** 5 }}{{ '%03d' % i }} {% endfor %}"
    )
    assert template.render({"q": "w"}).startswith("ww 332000 ww 332001")
