"""`run.json`: what an output directory is for, written before any work starts."""

from pydantic import JsonValue

from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import InputEntry


class RunFile(StrictModel):
    """Pins a directory to one verb, semantic config and set of inputs."""

    schema_version: int
    """Version of this file and of the manifests beside it."""
    verb: str
    """The verb that writes here."""
    config: dict[str, JsonValue]
    """The resolved config of the first start."""
    semantic: dict[str, JsonValue]
    """The part of it that decides what the artifacts mean."""
    inputs: list[InputEntry]
    """What is read; pinned at the first start."""
    provenance_digest: str
    """Over verb, semantic config and input digests."""
    started_at: str
    """UTC, ISO 8601."""
    hardware: dict[str, str] = {}
    """Where it was started first, as in a manifest; empty up to version 4."""
    file_digest: str | None = None
    """sha256 of this file with these 64 digits left out; absent in version 1."""
