"""A chat template that doesn't end is found before it is filled in here."""

import pytest

from rilctl.models.loaded.template_probe import ends


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}{{ messages|tojson(indent=2) }}",
        "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% nonsense",
        "{{ messages.nothing.at.all }}",
    ],
)
def test_these_end(template: str) -> None:
    assert ends(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 10 ** (10 ** 10) }}",
        "{{ 'x' * 10 ** 11 }}",
        "{% set n = namespace(x='xx') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    ],
)
def test_these_do_not(template: str) -> None:
    assert not ends(template)
