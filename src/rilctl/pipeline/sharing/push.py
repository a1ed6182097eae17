"""A student to the hub: one commit with its files, a card and a manifest without what is private."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rilctl.artifacts.check import check_files
from rilctl.artifacts.layout import MANIFEST, REJECTED
from rilctl.artifacts.read import resolve
from rilctl.artifacts.sealed import sealed_json
from rilctl.errors import UsageError
from rilctl.models.loaded.hub import check_repo, hub_errors
from rilctl.reporting.redaction import redacted, redacted_text
from rilctl.schemas.manifest import Manifest
from rilctl.views.card.card import render_card
from rilctl.views.card.facts import gather_facts

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"


@dataclass(frozen=True)
class Package:
    """What would leave this machine.

    Args:
        path: the student's directory.
        card: its `README.md`.
        manifest: its `manifest.json`.
        files: what else, by name, with sizes in bytes.
    """

    path: Path
    card: str
    manifest: bytes
    files: dict[str, int]

    @property
    def sizes(self) -> dict[str, int]:
        """All of it."""
        return {CARD: len(self.card.encode()), MANIFEST: len(self.manifest), **self.files}


def pack(directory: Path, repo: str) -> Package:
    """Put together what would be pushed; nothing is written.

    Raises:
        ArtifactError: no whole student is there, or a byte of it was changed.
        UsageError: `repo` can't be the name of a repository.
    """
    check_repo(repo)
    path = resolve(directory, "student")
    check_files(path)
    facts = gather_facts(path)
    shared = shared_manifest(facts.manifest)
    files = {entry.path: entry.size_bytes for entry in shared.files}
    return Package(path, render_card(facts, repo.rpartition("/")[2]), sealed_json(shared), files)


def shared_manifest(manifest: Manifest) -> Manifest:
    """The manifest as others may read it: the same digests, and no path, address or name that is private.

    Rejected rows stay here, as they name files; the card says how many there were.
    """
    config = redacted(manifest.config)
    inputs = [entry.model_copy(update={"name": redacted_text(entry.name)}) for entry in manifest.inputs]
    return manifest.model_copy(
        update={
            "config": config,
            "inputs": inputs,
            "files": [entry for entry in manifest.files if entry.path != REJECTED],
            "num_rejected": 0,
            "roles": [],
            "logs": [],
            "file_digest": None,
        }
    )


def push(package: Package, repo: str, *, public: bool, api: "HfApi | None" = None) -> str:
    """Send it, in one commit or not at all; what has arrived of an earlier try isn't sent again.

    Args:
        package: what is sent.
        repo: `OWNER/NAME`; made if it isn't there.
        public: whether everybody may see it.
        api: of the hub; None: the usual one.

    Returns:
        The address of what was pushed.

    Raises:
        UsageError: the repository is there, and public where it shouldn't be.
        RilctlError: the hub refuses, or can't be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = api or HfApi()
    with hub_errors(repo):
        api.create_repo(repo, private=not public, exist_ok=True)
        if not public and not api.repo_info(repo).private:
            raise UsageError(f"`{repo}` is there, and everybody can see it", hint="`--public`, or another name")
        added = [
            CommitOperationAdd(CARD, package.card.encode()),
            CommitOperationAdd(MANIFEST, package.manifest),
            *(CommitOperationAdd(name, str(package.path / name)) for name in package.files),
        ]
        stale = [name for name in api.list_repo_files(repo) if name not in package.sizes and name != ".gitattributes"]
        deleted = [CommitOperationDelete(name) for name in stale]
        return str(api.create_commit(repo, [*added, *deleted], commit_message="Push a student with rilctl").commit_url)
