"""How much of an artifact may be missing before nobody uses it."""

from pathlib import Path

from rilctl.config.recipe import Verb
from rilctl.errors import ArtifactError


def refuse_share(path: Path, what: str, num: int, total: int, limit: float, table: Verb) -> None:
    """Raise `ArtifactError` where more is missing than the recipe allows.

    Args:
        path: the artifact.
        what: is missing, for the message.
        num: of these.
        total: of which they are.
        limit: their largest share.
        table: the recipe's, whose `max_rejected_share` that is.
    """
    if num > limit * total:
        raise ArtifactError(
            f"{path}: {num} of {total} {what} ({num / total:.1%}), over the limit of {limit:.1%}",
            hint=f"rejected.jsonl has the reasons; repair the rows, or raise `{table}.max_rejected_share`",
        )
