"""Named warnings, found in what a run measured. Adding one is one entry in one of three tables."""

from rilctl.views.warnings import discriminator, measured, policy
from rilctl.views.warnings.sign import Seen, Series, Sign

SIGNS: tuple[Sign, ...] = tuple(
    sorted((*measured.SIGNS, *policy.SIGNS, *discriminator.SIGNS), key=lambda sign: sign.severity != "bad")
)
"""Every named warning, those that are bad news first."""


def find_signs(series: Series) -> list[tuple[Sign, Seen]]:
    """The warnings that show in a run.

    Args:
        series: what it measured; what it didn't measure, no sign needs.
    """
    return [(sign, seen) for sign in SIGNS if (seen := sign.look(series)) is not None]
