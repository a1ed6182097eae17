"""A run: one output directory, pinned to one verb, config and set of inputs, with one writer."""

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue, ValidationError

from rilctl.artifacts.commit import recover
from rilctl.artifacts.differences import other_run
from rilctl.artifacts.digests import provenance_digest
from rilctl.artifacts.layout import (
    LOCK,
    LOCK_HOLDER,
    MANIFEST,
    RESUME,
    RUN,
    SCRATCH,
    STAGING,
    TEMPORARY_PREFIX,
    content_files,
    make_directory,
    remove_tree,
    walk_files,
    write_atomic,
)
from rilctl.artifacts.locks import Waiting, writer_lock
from rilctl.artifacts.manifests import read_manifest, refuse_unsealed
from rilctl.artifacts.read import summary_of
from rilctl.artifacts.sealed import load_json, sealed_json
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.errors import ArtifactError, UsageError
from rilctl.hardware import hardware
from rilctl.schemas.manifest import SCHEMA_VERSION, ArtifactKind, ArtifactSummary, InputEntry
from rilctl.schemas.run import RunFile

_TRACELESS = frozenset({RUN, LOCK, LOCK_HOLDER, STAGING})
"""What a start leaves behind that made nothing."""
_ELSEWHERE = "choose another place: with `--out`, or for all verbs with `--set workspace.root=DIR`"


@dataclass(frozen=True)
class Run:
    """An output directory that this process may write to, unless all is finished; made by `open_run`.

    Args:
        path: the directory.
        verb: the verb that writes here.
        config: the resolved config, for manifests.
        inputs: what the artifacts are made from.
        provenance_digest: over verb, semantic config and input digests.
        roles: kind of each artifact that it makes, by role. A single artifact may be the run's directory itself,
            whatever its role is called.
        optional: of the roles, what a finished run may lack; written before the last of the others.
        at_end: what is done when this process is the writer no longer, its artifacts written or not.
    """

    path: Path
    verb: str
    config: dict[str, JsonValue]
    inputs: tuple[InputEntry, ...]
    provenance_digest: str
    roles: Mapping[str, ArtifactKind]
    optional: Set[str] = frozenset()
    at_end: ExitStack = field(default_factory=ExitStack, compare=False, repr=False)

    @property
    def resume_dir(self) -> Path:
        """Private scratch for checkpoints, made on demand; it outlives the process, but is no part of an artifact."""
        make_directory(self.path / RESUME)
        return self.path / RESUME

    def finished(self) -> dict[str, ArtifactSummary] | None:
        """Summaries of all artifacts of this run by role, or None if one is not there yet or partial.

        Raises:
            ArtifactError: an artifact was complete, but a file of it is gone or has another size.
        """
        found: dict[str, ArtifactSummary] = {}
        named: set[str] = set()
        for role, kind in self.roles.items():
            path = self.path if (self.path / MANIFEST).exists() else self.path / role
            if not (path / MANIFEST).exists():
                if role in self.optional:
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
                    raise self._gone(file)
            named |= {*manifest.roles}
            found[role] = summary_of(path, manifest)
        if lost := sorted(named & self.optional - found.keys()):
            raise self._gone(self.path / lost[0])
        return found

    def reopen(self) -> None:
        """Make a finished run that lacks rows unfinished, so that what was rejected is asked again.

        What it has stays until the same run is complete again; before that, it is partial to whoever reads it.
        """
        done = self.finished() or {}
        manifests = {Path(summary.path): read_manifest(Path(summary.path)) for summary in done.values()}
        if not any(manifest.lacks_rows for manifest in manifests.values()):
            return
        for path, manifest in manifests.items():
            write_atomic(path / MANIFEST, sealed_json(manifest.model_copy(update={"status": "partial"})))

    def refuse_mixture(self, *, resumes: bool) -> None:
        """Refuse to make a part of the artifacts anew beside parts of an earlier start.

        Args:
            resumes: whether what is missing is made from what is there: a checkpoint, say, has all of it.

        Raises:
            ArtifactError: a role is complete, or its manifest is gone, and `resumes` is false.
        """
        there = [role for role in self.roles if (self.path / role).is_dir() and any(content_files(self.path / role))]
        without = [role for role in there if not (self.path / role / MANIFEST).exists()]
        hint = f"delete `{self.path}` and run the same command again, or choose another `--out`"
        if without:
            raise ArtifactError(
                f"`{self.path / without[0]}` has files, and no {MANIFEST}: it is gone, or they are not of this run",
                hint=hint,
            )
        lost = [role for role in self.roles if role not in there and role not in self.optional]
        if there and lost and not resumes:
            raise ArtifactError(
                f"`{self.path / lost[0]}` is gone, and `{self.path / there[0]}` is there: made anew, one would be of "
                "another run than the other",
                hint=hint,
            )

    def _gone(self, file: Path) -> ArtifactError:
        return ArtifactError(
            f"`{file}` is gone or was changed since it was written",
            hint=f"delete `{self.path}` and run the same command again, or choose another `--out`",
        )

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
        make_directory(path)
        return ArtifactWriter(
            path,
            kind,
            verb=self.verb,
            config=self.config,
            inputs=self.inputs,
            provenance_digest=self.provenance_digest,
            roles=() if role is None else self._roles_beside(role),
        )

    def _roles_beside(self, role: str) -> list[str]:
        """All roles of the run; an optional one if it is there."""
        there = {each for each in self.roles if each not in self.optional or (self.path / each / MANIFEST).exists()}
        return sorted({role, *there})

    def clear_resume(self) -> None:
        """Delete the scratch; call it when everything is committed."""
        if (self.path / RESUME).exists():
            remove_tree(self.path / RESUME)


@contextmanager
def open_run(
    out: Path,
    *,
    verb: str,
    config: dict[str, JsonValue],
    semantic: dict[str, JsonValue],
    inputs: Sequence[InputEntry],
    roles: Mapping[str, ArtifactKind],
    optional: Set[str] = frozenset(),
    waiting: Waiting | None = None,
    retry_rejected: bool = False,
) -> Iterator[Run]:
    """Be the one writer of an output directory; the same call again goes on with the same run.

    What a kill left behind is finished or swept first. A finished run needs no permission to write.

    Args:
        out: made if it doesn't exist; must be empty or of this very run.
        verb: the verb.
        config: the whole resolved config.
        semantic: the part that decides what the artifacts mean.
        inputs: what they are made from.
        roles: see `Run`.
        optional: see `Run`.
        waiting: see `writer_lock`.
        retry_rejected: see `Run.reopen`.

    Raises:
        LockedError: another process is writing there.
        UsageError: the directory is of another run, or not ours, or may not be written; nothing was changed.
        ArtifactError: what was finished there was damaged.
    """
    digest = provenance_digest(verb, semantic, inputs)
    run = Run(out, verb, config, tuple(inputs), digest, roles, optional)
    _refuse_foreign(out)
    try:
        make_directory(out)
    except OSError as error:
        raise UsageError(f"can't make `{out}`: {error.strerror or error}", hint=_ELSEWHERE) from error
    wanted = RunFile(
        schema_version=SCHEMA_VERSION,
        verb=verb,
        config=config,
        semantic=semantic,
        inputs=list(inputs),
        provenance_digest=digest,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        hardware=hardware(),
    )
    if not _is_writable(out):
        if not _is_pinned(out, wanted) or run.finished() is None:
            raise UsageError(
                f"`{out}` can't be written: its permissions, or those of its `{LOCK}`, don't let you",
                hint="choose another directory with `--out`, or ask for permission to write",
            )
        yield run
        return
    with writer_lock(out, waiting):
        _refuse_foreign(out)  # again, now that nobody else can write
        if not _is_pinned(out, wanted):
            write_atomic(out / RUN, sealed_json(wanted))
        _recover_all(out)
        if retry_rejected:
            run.reopen()
        if run.finished() is not None:
            run.clear_resume()  # left behind by a kill after the last manifest
        with run.at_end:
            yield run


def _is_writable(out: Path) -> bool:
    lock = out / LOCK
    return os.access(out, os.W_OK | os.X_OK) and (not lock.exists() or os.access(lock, os.W_OK))


def _is_pinned(out: Path, wanted: RunFile) -> bool:
    """Whether `run.json` is there for this very run; a start that made nothing (a bad input, say) pins nothing."""
    if not (out / RUN).exists():
        return False
    existing = read_run(out)
    if existing.provenance_digest == wanted.provenance_digest:
        return True
    if any(name.split("/", 1)[0] not in _TRACELESS for name, _ in walk_files(out)):
        raise other_run(out, existing, wanted)
    return False


def _recover_all(out: Path) -> None:
    recover(out)
    for child in out.iterdir():
        if child.is_dir() and not child.is_symlink() and child.name not in SCRATCH:
            recover(child)


def _refuse_foreign(out: Path) -> None:
    """Refuse a directory with files in it that is no run; our own lock and temporary files don't count."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"`{out}` is a file", hint="choose another directory with `--out`")
    if (out / RUN).exists():
        return
    if (artifact := next(filter(_is_artifact, out.absolute().parents), None)) is not None:
        raise UsageError(
            f"`{out}` is inside of the artifact `{artifact}`, which would not be as it was written any more",
            hint="choose another directory with `--out`",
        )
    if not out.is_dir():
        return
    foreign = sorted(
        p.name for p in out.iterdir() if p.name not in (LOCK, LOCK_HOLDER) and not p.name.startswith(TEMPORARY_PREFIX)
    )
    if foreign:
        raise UsageError(
            f"`{out}` is not empty and was not made by this command: it has `{foreign[0]}`",
            hint="choose another directory with `--out`, or empty this one",
        )


def _is_artifact(path: Path) -> bool:
    try:
        return (path / MANIFEST).exists() and bool(read_manifest(path))
    except (ArtifactError, OSError):
        return False  # other programs have files of that name, too


def read_run(out: Path) -> RunFile:
    """What a directory is for. Raises `ArtifactError` where `run.json` can't be read, or was changed."""
    file, hint = out / RUN, f"choose another directory with `--out`, or delete `{out}`"
    data, raw = load_json(file, hint=hint)
    try:
        run = RunFile.model_validate(raw)
    except ValidationError as error:
        raise ArtifactError(f"`{file}` is damaged, or of another version of rilctl", hint=hint) from error
    refuse_unsealed(file, data, run.schema_version, run.file_digest, run.model_fields_set)
    return run
