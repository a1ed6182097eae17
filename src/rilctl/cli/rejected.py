"""What helps rows that a verb rejected, in words."""

from contextlib import suppress
from pathlib import Path

from rilctl.errors import ArtifactError
from rilctl.stages.shared.context import StageResult

_ASKING = frozenset({"cache-teacher", "eval"})
"""Verbs whose rows may be rejected because whoever was asked failed; where a judge fails, there is no verdict."""
_READING = frozenset({"cache-teacher", "judge"})
"""Verbs that say of each rejected row whether it was read so."""


def told(verb: str, result: StageResult) -> str:
    """How many rows were rejected, and what to do: those that were read so aren't helped by asking again."""
    rows = "1 row was" if result.num_rejected == 1 else f"{result.num_rejected} rows were"
    num_broken = _num_broken(result) if verb in _READING else 0
    num_failed = result.num_rejected - num_broken if verb in _ASKING else 0
    remedies = []
    if num_failed:
        which = f"{num_failed} of them" if num_broken else "them"
        remedies.append(f"`rilctl {verb}` asks {which} again with `--retry-rejected`")
    if num_broken:
        which = "the others" if num_failed else "them"
        remedies.append(f"correct {which} where they come from, then choose another `--out`: nothing is asked twice")
    return "; ".join([f"{rows} rejected; each is in rejected.jsonl with its reason", *remedies])


def _num_broken(result: StageResult) -> int:
    """Rejected rows whose source is the data that was read; 0 where nobody can tell."""
    from rilctl.artifacts.manifests import read_manifest
    from rilctl.artifacts.read import read_rejected

    with suppress(ArtifactError):
        path = Path(next(iter(result.outputs.values())).path)
        read = {entry.name for entry in read_manifest(path).inputs if entry.kind == "data"}
        return sum(row.source in read for row in read_rejected(path))
    return 0
