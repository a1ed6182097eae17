"""Inputs that need not be there yet: what an earlier verb of the same recipe will make."""

from pathlib import Path

from rilctl.config.recipe import Verb
from rilctl.errors import ArtifactError
from rilctl.planning.plan import Fact
from rilctl.schemas.manifest import ArtifactKind
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import find_artifact, num_artifact_rows


def planned_artifact(context: StageContext, explicit: str | None, upstream: Verb, kind: ArtifactKind) -> Path | None:
    """The artifact that a verb will read; None: it is this recipe's own, and isn't there yet.

    Raises:
        ArtifactError: it is named and not there, or there and unusable.
    """
    try:
        return find_artifact(context, explicit, upstream, kind)
    except ArtifactError:
        if explicit is not None or context.upstream(upstream).exists():
            raise
        return None


def artifact_fact(role: str, path: Path | None, upstream: Verb) -> Fact:
    """Where it is, and how many rows it has."""
    if path is None:
        return Fact(role, None, note=f"not there yet: `rilctl {upstream}` makes it")
    rows = num_artifact_rows(path)
    return Fact(role, str(path), note=f"{rows:,} rows" if rows else "")
