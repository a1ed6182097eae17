"""The manifest: what makes a directory an artifact."""

from typing import Annotated, Literal, get_args

from pydantic import Field, JsonValue

from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import EvaluationRecord, ResponseRecord, RolloutRecord, VerdictRecord

ArtifactKind = Literal[
    "teacher-cache", "responses", "rollouts", "verdicts", "student", "discriminator", "evaluation", "report"
]
"""Every kind of artifact."""

ARTIFACT_KINDS: tuple[ArtifactKind, ...] = get_args(ArtifactKind)

ROW_TYPES: dict[ArtifactKind, type[StrictModel]] = {
    "teacher-cache": ResponseRecord,
    "responses": ResponseRecord,
    "rollouts": RolloutRecord,
    "verdicts": VerdictRecord,
    "evaluation": EvaluationRecord,
}
"""The row model of each kind that holds rows; the other kinds hold weights or pages."""

WEIGHT_KINDS: frozenset[ArtifactKind] = frozenset({"student", "discriminator"})
"""Kinds whose content is a model: weights, and the texts beside them."""

SCHEMA_VERSION = 5
"""Raised when a manifest or row changes shape or meaning; a reader refuses a newer one.

Up to version 4, nothing said on what hardware it was made.
Up to version 3, `rollouts` had no column `rewards`, and no input was code.
Up to version 2, content digests of models were over their weights alone. Version 1 had no `roles`, `logs` and
`file_digest`: it can be read, and nothing finds an edit of it.
"""


class FileEntry(StrictModel):
    """One file of an artifact."""

    path: str
    """Relative to the artifact's directory, with forward slashes."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Size when it was written."""
    sha256: str
    """Digest of its bytes when it was written."""


class InputEntry(StrictModel):
    """One thing that an artifact was made from."""

    role: str
    """What it was used as: `student`, `teacher-cache`, `data`, `teacher:NAME`, `reward:NAME`, …"""
    kind: Literal["artifact", "model", "data", "code"]
    """An artifact of ours, a model (directory or hub id), a data set, or a file of the user's own code."""
    name: str
    """Path, hub id or data set location, as a person would find it again."""
    digest: str
    """The artifact's content digest, the model's (with its hub commit, where it has one), the data set's, file's."""


class Manifest(StrictModel):
    """`manifest.json`: written last; without it the directory is no artifact."""

    kind: ArtifactKind
    """What this artifact is."""
    schema_version: int
    """Version of the manifest's and rows' schema."""
    status: Literal["complete", "partial"]
    """`partial` means interrupted; rejected rows don't make an artifact partial."""
    content_digest: str
    """Over canonical sorted rows, or over a model's weights and texts: the same for the same content."""
    provenance_digest: str
    """Over verb, semantic config and input digests: decides what is up to date."""
    verb: str
    """The verb that made it."""
    inputs: list[InputEntry]
    """What it was made from."""
    config: dict[str, JsonValue]
    """The resolved config of the verb."""
    num_rows: Annotated[int | None, Field(ge=0)] = None
    """Rows of the artifact's table; absent for weights."""
    num_tokens: Annotated[int | None, Field(ge=0)] = None
    """Response tokens in the rows, where they are known."""
    num_rejected: Annotated[int, Field(ge=0)] = 0
    """Rows that could not be used; they are listed in `rejected.jsonl`."""
    files: list[FileEntry]
    """Every file but the manifest itself."""
    roles: list[str] = []
    """The directories of the run that hold an artifact each, this one's with them; empty: the run's is the artifact."""
    logs: list[FileEntry] = []
    """The run's logs, beside what this run writes last."""
    metrics: dict[str, float]
    """What was measured; a metric that could not be computed is absent."""
    versions: dict[str, str]
    """rilctl, Python and the libraries that made it."""
    hardware: dict[str, str] = {}
    """What made it: processor, cores, memory, GPUs; empty up to version 4."""
    created_at: str
    """UTC, ISO 8601."""
    file_digest: str | None = None
    """sha256 of this file with these 64 digits left out; absent in version 1."""

    @property
    def lacks_rows(self) -> bool:
        """Whether rows were rejected, or a judge gave no verdict on some."""
        return self.num_rejected > 0 or self.metrics.get("num_no_verdict", 0) > 0


class ArtifactSummary(StrictModel):
    """What a verb's `--json` says of each output."""

    kind: ArtifactKind
    """What it is."""
    path: str
    """Where it is."""
    content_digest: str
    """Its content digest."""
    status: Literal["complete", "partial"]
    """`complete` or `partial`."""
    rows: int | None
    """Rows of its table; null for weights."""
