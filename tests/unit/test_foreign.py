"""What a terminal would obey is shown instead."""

import tomllib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilctl.config.toml_writing import toml_string
from rilctl.errors import ModelError, RowError
from rilctl.foreign import one_line, printable

EVERYTHING = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x1b]8;;https://elsewhere.example\x1b\\a link", r"\x1b]8;;https://elsewhere.example\x1b" + "\\a link"),
        ("\x9b31m", r"\x9b31m"),  # one byte that begins a sequence in some terminals
        ("gpj.\u202egnp", r"gpj.\u202egnp"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("a\rb\x08\x7f\x00", r"a\rb\x08\x7f\x00"),
        ("\U000e0041\ufeff\u2028", r"\U000e0041\ufeff\u2028"),
        ("half a pair \ud83d", r"half a pair \ud83d"),
        ("[red]as it is[/red] C:\\new", "[red]as it is[/red] C:\\new"),
        ("naïve 数学 ٣ 👩\u200d🔬 क्\u200dष \u3000", "naïve 数学 ٣ 👩\u200d🔬 क्\u200dष \u3000"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == one_line(text) == shown


def test_line_feeds_stay_only_where_there_may_be_lines() -> None:
    assert (printable("a\n\tb"), one_line("a\n\tb")) == ("a\n\tb", r"a\n\tb")


@given(EVERYTHING)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = one_line(text)
    assert not {unicodedata.category(c) for c in shown if c not in "\u200c\u200d"} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert printable(text) == one_line(text).replace(r"\n", "\n").replace(r"\t", "\t") or "\\" in text
    assert one_line(shown) == shown


@given(st.text())
def test_toml_shows_it_as_well_and_says_the_same(text: str) -> None:
    written = toml_string(text)
    assert one_line(written) == written
    assert tomllib.loads(f"v = {written}") == {"v": text}


def test_errors_quote_nothing_as_it_is() -> None:
    error = ModelError("no model `\x1b[2J`\n  other", hint="try `\u202e`")
    assert (error.message, error.hint) == ("no model `\\x1b[2J`\n  other", "try `\\u202e`")
    assert RowError("image-missing", "a\nb\x1b").message == r"a\nb\x1b"
