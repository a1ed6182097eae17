"""Write one artifact: rows, rejected rows and files go to a staging directory, `commit` makes them an artifact."""

import functools
import importlib.metadata
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from rilctl import __version__
from rilctl.artifacts.commit import commit_files, describe, list_staged
from rilctl.artifacts.digests import RowsDigest, files_digest
from rilctl.artifacts.layout import LOGS, MANIFEST, NOT_CONTENT, REJECTED, STAGING, naming, remove_tree
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.model_files import model_files_digest
from rilctl.artifacts.read import summary_of
from rilctl.artifacts.tables import ShardWriter, count_tokens, shard_name
from rilctl.hardware import hardware
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import (
    ROW_TYPES,
    SCHEMA_VERSION,
    WEIGHT_KINDS,
    ArtifactKind,
    ArtifactSummary,
    FileEntry,
    InputEntry,
    Manifest,
)
from rilctl.schemas.records import RejectedRecord

_LIBRARIES: Final = ("torch", "transformers", "tokenizers", "peft", "safetensors", "datasets", "pyarrow", "pydantic")


class ArtifactWriter:
    """Collects an artifact under `.tmp-staging/`; made by `Run.writer`. Nothing is visible before `commit`.

    Args:
        path: where the artifact will be; must exist.
        kind: what it is.
        verb: the verb that makes it.
        config: the verb's resolved config.
        inputs: what it is made from.
        provenance_digest: the run's.
        roles: the directories of the run that hold an artifact each; none where `path` is the run's own.
    """

    def __init__(
        self,
        path: Path,
        kind: ArtifactKind,
        *,
        verb: str,
        config: dict[str, JsonValue],
        inputs: Sequence[InputEntry],
        provenance_digest: str,
        roles: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._kind = kind
        self._verb, self._config, self._inputs = verb, config, list(inputs)
        self._provenance_digest = provenance_digest
        self._roles = list(roles)
        self._staging = path / STAGING
        remove_tree(self._staging)  # of an earlier writer in this process that was given up
        self._staging.mkdir()
        self._row_type = ROW_TYPES.get(kind)
        self._shards = ShardWriter(self._staging, self._row_type) if self._row_type else None
        self._digest = RowsDigest()
        self._num_rows, self._num_rejected = 0, 0
        self._num_tokens: int | None = None

    def write_rows(self, records: Iterable[StrictModel]) -> None:
        """Append rows, in any number of calls; about a thousand are held in memory.

        Raises:
            TypeError: the kind has no rows, or rows of another type.
        """
        for record in records:
            if self._shards is None or type(record) is not self._row_type:
                raise TypeError(f"a {self._kind} has no rows of type {type(record).__name__}")
            self._shards.add(record)
            self._digest.add(record)
            self._num_rows += 1
            if (num := count_tokens(record)) is not None:
                self._num_tokens = (self._num_tokens or 0) + num

    def write_rejected(self, records: Iterable[RejectedRecord]) -> None:
        """Append rows that could not be used, with their reasons, to `rejected.jsonl`."""
        with naming(self._staging / REJECTED), (self._staging / REJECTED).open("ab") as file:
            for record in records:
                file.write(record.model_dump_json().encode() + b"\n")
                self._num_rejected += 1

    def staging(self) -> Path:
        """A directory to write the artifact's files into (`save_pretrained` and the like); `commit` moves them."""
        return self._staging

    def commit(
        self, *, status: Literal["complete", "partial"] = "complete", metrics: Mapping[str, float] | None = None
    ) -> ArtifactSummary:
        """Make it an artifact; the writer is used up.

        A partial artifact of the same run is replaced. A complete one never is: it stays, what was staged is dropped,
        and the summary is that of the artifact that was there.

        Args:
            status: `partial` after an interruption.
            metrics: what was measured; NaN and infinite values are left out, because nothing was measured there.

        Raises:
            ArtifactError: weights are missing or damaged.
            UsageError: a file that is not ours is in the way.
        """
        if (self.path / MANIFEST).exists() and (existing := read_manifest(self.path)).status == "complete":
            remove_tree(self._staging)
            return summary_of(self.path, existing)
        self._name_shards()
        if self._num_rejected == 0:
            (self._staging / REJECTED).unlink(missing_ok=True)
        files = list_staged(self.path)
        if clash := NOT_CONTENT & {entry.path.split("/", 1)[0] for entry in files}:
            raise ValueError(f"an artifact can't have a file named {sorted(clash)[0]}")
        manifest = Manifest(
            kind=self._kind,
            schema_version=SCHEMA_VERSION,
            status=status,
            content_digest=self._content_digest({entry.path: entry.sha256 for entry in files}),
            provenance_digest=self._provenance_digest,
            verb=self._verb,
            inputs=self._inputs,
            config=self._config,
            num_rows=self._num_rows if self._shards else None,
            num_tokens=self._num_tokens,
            num_rejected=self._num_rejected,
            files=files,
            roles=self._roles,
            logs=self._logs(status),
            metrics={name: float(value) for name, value in (metrics or {}).items() if math.isfinite(value)},
            versions=dict(library_versions()),
            hardware=hardware(),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        commit_files(self.path, manifest)
        return summary_of(self.path, manifest)

    def _logs(self, status: Literal["complete", "partial"]) -> list[FileEntry]:
        """The run's logs, if this is the last that it writes: before that, they go on."""
        run = self.path.parent if self._roles else self.path
        others = [run / role / MANIFEST for role in self._roles if role != self.path.name]
        if status == "partial" or not all(other.exists() for other in others):
            return []
        return [describe(run, name) for name in LOGS if (run / name).exists()]

    def _name_shards(self) -> None:
        if self._shards is not None:
            self._shards.close()
            for index, shard in enumerate(self._shards.paths):
                shard.replace(shard.with_name(shard_name(index, len(self._shards.paths))))

    def _content_digest(self, files: Mapping[str, str]) -> str:
        if self._shards is not None:
            return self._digest.hexdigest()
        return model_files_digest(self._staging) if self._kind in WEIGHT_KINDS else files_digest(files)


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Versions of rilctl, Python and the installed libraries that shape results, without importing them."""
    versions = {"rilctl": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
