"""The page of named warnings, from their table."""

from rilctl.markdown import table
from rilctl.views.warnings import SIGNS
from rilctl.views.warnings.sign import Sign

_HEAD = """\
# Named warnings

What `rilctl report` and `rilctl watch` say of a run by name. Each is found in `metrics.jsonl` alone, of a run that
ended, runs or crashed, and says at which steps it shows. *Bad* ones mean that the run is probably worth little from
there on; the others are worth a look, and may be harmless. What wasn't measured warns of nothing.

"""
_MOODS = {"bad": "bad", "look": ""}


def render() -> str:
    """A list, and a part for each."""
    rows = [
        (f"[`{sign.name}`](#{sign.name}) {sign.title}", _MOODS[sign.severity], f"`{sign.metric}`") for sign in SIGNS
    ]
    return _HEAD + table(("warning", "", "seen in"), rows) + "".join(map(_part, SIGNS))


def _part(sign: Sign) -> str:
    return (
        f"\n## {sign.name}\n\n{sign.title[0].upper()}{sign.title[1:]}. {sign.means}\n\n"
        f"- **Shows** where {sign.when}: {sign.why}.\n"
        f"- **Try:** {sign.advice}\n"
        f"- **More:** [{sign.docs.partition('#')[0]}]({sign.docs})\n"
    )
