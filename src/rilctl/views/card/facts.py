"""What a card says, gathered from manifests."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.lineage import LineageNode, lineage
from rilctl.artifacts.manifests import read_manifest
from rilctl.errors import ArtifactError
from rilctl.reporting.redaction import redacted_text
from rilctl.schemas.manifest import Manifest

_HUB_DATA = re.compile(r"hub:(?P<id>[^@]+)@.*")
"""A data set of the hub, as lineage names it; a model of it has a digest that begins alike."""
_AT_AN_ENDPOINT = re.compile(r"(?P<model>.+) at \S+://\S+")
_NUM_LEVELS = 3
"""How far above the student evaluations of it are looked for: its run's folder, the recipe's, the workspace's."""


@dataclass(frozen=True)
class Source:
    """A model or data set that the student was made from.

    Args:
        role: what it was used as.
        kind: what it is.
        name: as anybody may read it.
        hub_id: where it is on the hub, if it is there.
        is_closed: it answered from behind an endpoint: nobody here has its weights, and its maker has terms.
        digest: of its content, or of what can be known of it.
    """

    role: str
    kind: str
    name: str
    hub_id: str | None
    is_closed: bool
    digest: str


@dataclass(frozen=True)
class CardFacts:
    """All that a card is made from.

    Args:
        manifest: the student's.
        sources: models and data sets below it, each once, the nearest first.
        evaluations: manifests of evaluations of these very weights.
    """

    manifest: Manifest
    sources: tuple[Source, ...]
    evaluations: tuple[Manifest, ...]

    def of_role(self, role: str) -> list[Source]:
        """Sources that were used as this, or as `ROLE:NAME`."""
        return [source for source in self.sources if source.role.split(":")[0] == role]


def gather_facts(student: Path) -> CardFacts:
    """What is known of the student at `student`. Raises `ArtifactError` where it is no artifact."""
    manifest = read_manifest(student)
    found: dict[tuple[str, str], Source] = {}
    for node in _below(lineage(student)):
        if node.kind in ("model", "data"):
            source = source_of(node)
            found.setdefault((source.role, source.digest), source)
    return CardFacts(manifest, tuple(found.values()), tuple(_evaluations(student, manifest.content_digest)))


def _below(node: LineageNode) -> Iterator[LineageNode]:
    level: Sequence[LineageNode] = node.children
    while level:
        yield from level
        level = [child for each in level for child in each.children]


def source_of(node: LineageNode) -> Source:
    """A model or data set of a lineage, as a card says it."""
    endpoint = _AT_AN_ENDPOINT.fullmatch(node.name)
    plain = endpoint["model"] if endpoint else node.name
    on_hub = _HUB_DATA.fullmatch(plain) if node.kind == "data" else None
    return Source(
        role=node.role,
        kind=node.kind,
        name=redacted_text(plain),
        hub_id=on_hub["id"] if on_hub else plain if node.digest.startswith("hub:") else None,
        is_closed=endpoint is not None,
        digest=node.digest,
    )


def _evaluations(student: Path, digest: str) -> Iterator[Manifest]:
    """Those near the student whose input it is; one that can't be read is none."""
    seen: set[Path] = set()
    for folder in list(student.resolve().parents)[:_NUM_LEVELS]:
        for pattern in (f"*/{MANIFEST}", f"*/*/{MANIFEST}"):
            for file in sorted(folder.glob(pattern)):
                if file.parent in seen:
                    continue
                seen.add(file.parent)
                try:
                    manifest = read_manifest(file.parent)
                except ArtifactError:
                    continue
                if manifest.kind == "evaluation" and any(entry.digest == digest for entry in manifest.inputs):
                    yield manifest
