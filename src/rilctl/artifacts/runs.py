"""A run: one output directory, pinned to one verb, config and set of inputs, with one writer."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue, ValidationError

from rilctl.artifacts.commit import recover
from rilctl.artifacts.digests import provenance_digest
from rilctl.artifacts.layout import (
    LOCK,
    LOCK_HOLDER,
    MANIFEST,
    RESUME,
    RUN,
    STAGING,
    TEMPORARY_PREFIX,
    content_files,
    walk_files,
    write_atomic,
)
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.read import read_manifest, summary_of
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.errors import ArtifactError, UsageError
from rilctl.schemas.manifest import SCHEMA_VERSION, ArtifactKind, ArtifactSummary, InputEntry
from rilctl.schemas.run import RunFile

_NUM_DIFFERENCES_NAMED = 3
_MAX_VALUE_CHARS = 80
_TRACELESS = frozenset({RUN, LOCK, LOCK_HOLDER, STAGING})
"""What a start leaves behind that made nothing."""


@dataclass(frozen=True)
class Run:
    """An output directory that this process may write to; made by `open_run`.

    Args:
        path: the directory.
        verb: the verb that writes here.
        config: the resolved config, for manifests.
        inputs: what the artifacts are made from.
        provenance_digest: over verb, semantic config and input digests.
    """

    path: Path
    verb: str
    config: dict[str, JsonValue]
    inputs: tuple[InputEntry, ...]
    provenance_digest: str

    @property
    def resume_dir(self) -> Path:
        """Private scratch for checkpoints, made on demand; it outlives the process, but is no part of an artifact."""
        (self.path / RESUME).mkdir(exist_ok=True)
        return self.path / RESUME

    def finished(
        self, roles: Mapping[str, ArtifactKind], *, optional: Set[str] = frozenset()
    ) -> dict[str, ArtifactSummary] | None:
        """Summaries of all artifacts of this run by role, or None if one is not there yet or partial.

        Args:
            roles: kind by role. A single artifact may be the run's directory itself, whatever its role is called.
            optional: of them, what a finished run may lack; written before the last of the others.

        Raises:
            ArtifactError: an artifact was complete, but a file of it is gone or has another size.
        """
        found: dict[str, ArtifactSummary] = {}
        for role, kind in roles.items():
            path = self.path if (self.path / MANIFEST).exists() else self.path / role
            if not (path / MANIFEST).exists():
                if role in optional:
                    continue
                return None
            manifest = read_manifest(path)
            if (manifest.kind, manifest.provenance_digest, manifest.status) != (
                kind,
                self.provenance_digest,
                "complete",
            ):
                return None
            for entry in manifest.files:
                file = path / entry.path
                if not file.is_file() or file.stat().st_size != entry.size_bytes:
                    raise ArtifactError(
                        f"`{file}` is gone or was changed since it was written",
                        hint=f"delete `{self.path}` and run the same command again, or choose another `--out`",
                    )
            found[role] = summary_of(path, manifest)
        return found

    def writer(self, kind: ArtifactKind, role: str | None = None) -> ArtifactWriter:
        """Start an artifact.

        Args:
            kind: what it is.
            role: its directory's name within the run; None: the run's directory itself becomes the artifact.

        Raises:
            UsageError: the role's directory has files that are not ours.
        """
        path = self.path if role is None else self.path / role
        if role is not None and path.exists() and not (path / MANIFEST).exists() and any(content_files(path)):
            raise UsageError(
                f"`{path}` has files that are not of this run", hint="move them away, then run the same command again"
            )
        path.mkdir(exist_ok=True)
        return ArtifactWriter(
            path,
            kind,
            verb=self.verb,
            config=self.config,
            inputs=self.inputs,
            provenance_digest=self.provenance_digest,
        )

    def clear_resume(self) -> None:
        """Delete the scratch; call it when everything is committed."""
        if (self.path / RESUME).exists():
            shutil.rmtree(self.path / RESUME)


@contextmanager
def open_run(
    out: Path,
    *,
    verb: str,
    config: dict[str, JsonValue],
    semantic: dict[str, JsonValue],
    inputs: Sequence[InputEntry],
) -> Iterator[Run]:
    """Be the one writer of an output directory; the same call again goes on with the same run.

    Args:
        out: made if it doesn't exist; must be empty or of this very run.
        verb: the verb.
        config: the whole resolved config.
        semantic: the part that decides what the artifacts mean.
        inputs: what they are made from.

    Raises:
        LockedError: another process is writing there.
        UsageError: the directory is of another run, or not ours; nothing was changed.
    """
    digest = provenance_digest(verb, semantic, inputs)
    _refuse_foreign(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"can't make `{out}`: {error.strerror or error}", hint="choose another `--out`") from error
    with writer_lock(out):
        _refuse_foreign(out)  # again, now that nobody else can write
        wanted = RunFile(
            schema_version=SCHEMA_VERSION,
            verb=verb,
            config=config,
            semantic=semantic,
            inputs=list(inputs),
            provenance_digest=digest,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if not _is_pinned(out, wanted):
            write_atomic(out / RUN, wanted.model_dump_json(indent=2).encode() + b"\n")
        _recover_all(out)
        yield Run(out, verb, config, tuple(inputs), digest)


def _is_pinned(out: Path, wanted: RunFile) -> bool:
    """Whether `run.json` is there for this very run; a start that made nothing (a bad input, say) pins nothing."""
    if not (out / RUN).exists():
        return False
    existing = _read_run(out)
    if existing.provenance_digest == wanted.provenance_digest:
        return True
    if any(name.split("/", 1)[0] not in _TRACELESS for name, _ in walk_files(out)):
        raise _other_run(out, existing, wanted)
    return False


def _recover_all(out: Path) -> None:
    recover(out)
    for child in out.iterdir():
        if child.is_dir() and not child.is_symlink() and child.name != RESUME:
            recover(child)


def _refuse_foreign(out: Path) -> None:
    """Refuse a directory with files in it that is no run; our own lock and temporary files don't count."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"`{out}` is a file", hint="choose another directory with `--out`")
    if not out.is_dir() or (out / RUN).exists():
        return
    foreign = sorted(
        p.name for p in out.iterdir() if p.name not in (LOCK, LOCK_HOLDER) and not p.name.startswith(TEMPORARY_PREFIX)
    )
    if foreign:
        raise UsageError(
            f"`{out}` is not empty and was not made by this command: it has `{foreign[0]}`",
            hint="choose another directory with `--out`, or empty this one",
        )


def _read_run(out: Path) -> RunFile:
    try:
        return RunFile.model_validate_json((out / RUN).read_bytes())
    except (ValidationError, OSError) as error:
        raise ArtifactError(
            f"`{out / RUN}` can't be read, or was written by another version of rilctl",
            hint=f"choose another directory with `--out`, or delete `{out}`",
        ) from error


def _other_run(out: Path, existing: RunFile, wanted: RunFile) -> UsageError:
    differences = _differences(existing, wanted)
    named = "; ".join(differences[:_NUM_DIFFERENCES_NAMED])
    more = len(differences) - _NUM_DIFFERENCES_NAMED
    return UsageError(
        f"`{out}` holds a run that differs: {named}" + (f"; and {more} more" if more > 0 else ""),
        hint=f"choose another directory with `--out`, restore what changed, or delete `{out}`",
    )


def _differences(old: RunFile, new: RunFile) -> list[str]:
    """What differs, as `key: old -> new`, config first."""
    if old.verb != new.verb:
        return [f"verb: {old.verb} -> {new.verb}"]
    old_keys, new_keys = _flat(old.semantic), _flat(new.semantic)
    lines = [
        f"`{key}`: {_short(old_keys.get(key, 'absent'))} -> {_short(new_keys.get(key, 'absent'))}"
        for key in sorted(old_keys.keys() | new_keys.keys())
        if old_keys.get(key) != new_keys.get(key)
    ]
    for role in sorted({entry.role for entry in [*old.inputs, *new.inputs]}):
        before, after = ([e for e in run.inputs if e.role == role] for run in (old, new))
        if sorted((e.kind, e.digest) for e in before) != sorted((e.kind, e.digest) for e in after):
            lines.append(f"input `{role}`: {_named(before)} -> {_named(after)}")
    return lines


def _named(entries: Sequence[InputEntry]) -> str:
    return ", ".join(f"{entry.name} ({entry.digest[:12]})" for entry in entries) or "absent"


def _flat(value: JsonValue, key: str = "") -> dict[str, str]:
    """Dotted key -> value in JSON, as a person would compare two recipes."""
    if isinstance(value, dict) and value:
        return {k: v for name, child in value.items() for k, v in _flat(child, f"{key}.{name}".lstrip(".")).items()}
    return {key: json.dumps(value, ensure_ascii=False)}


def _short(value: str) -> str:
    return value if len(value) <= _MAX_VALUE_CHARS else f"{value[:_MAX_VALUE_CHARS]}…"
