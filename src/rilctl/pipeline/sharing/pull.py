"""A student from the hub: every file is checked before the directory becomes an artifact."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rilctl.artifacts.check import check_file
from rilctl.artifacts.layout import MANIFEST, TEMPORARY_PREFIX, make_directory, remove_tree, write_atomic
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.model_files import model_files_digest
from rilctl.errors import ArtifactError, UsageError
from rilctl.models.loaded.hub import check_repo, hub_errors
from rilctl.schemas.manifest import Manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_STAGING = f"{TEMPORARY_PREFIX}pulled"


def pull(repo: str, out: Path, *, revision: str | None = None, api: "HfApi | None" = None) -> Path:
    """Fetch a student that was pushed; what has come of an earlier try isn't fetched again.

    Args:
        repo: `OWNER/NAME`.
        out: the directory that becomes the artifact; it is empty, isn't there, or is that of an earlier try.
        revision: of the repository; None: the newest.
        api: of the hub; None: the usual one.

    Returns:
        The directory.

    Raises:
        ArtifactError: what came is no student, or not what its manifest says; `out` stays without an artifact.
        UsageError: there is something else at `out`, or no such repository.
        RilctlError: the hub refuses, or can't be reached.
    """
    from huggingface_hub import HfApi

    check_repo(repo)
    api = api or HfApi()
    others = [path.name for path in out.iterdir() if not path.name.startswith(".")] if out.is_dir() else []
    if others or (out.exists() and not out.is_dir()):
        raise UsageError(f"`{out}` is not empty", hint="choose another directory with `--out`")
    with hub_errors(repo):
        commit = api.model_info(repo, revision=revision).sha
        if MANIFEST not in api.list_repo_files(repo, revision=commit):
            raise ArtifactError(
                f"`{repo}` was not pushed by rilctl: it has no {MANIFEST}", hint="name it as a model in a recipe"
            )
    make_directory(out)
    staging = out / _STAGING
    with writer_lock(out):
        with hub_errors(repo):
            api.hf_hub_download(repo, MANIFEST, revision=commit, local_dir=staging)
            manifest = _checked(staging, repo)
            for entry in manifest.files:
                api.hf_hub_download(repo, entry.path, revision=commit, local_dir=staging)
        for entry in manifest.files:
            check_file(staging, entry, hint="pull it again; if that doesn't help, it was changed where it lies")
        _check_content(staging, manifest)
        for entry in manifest.files:
            (out / entry.path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / entry.path, out / entry.path)
        write_atomic(out / MANIFEST, (staging / MANIFEST).read_bytes())
        remove_tree(staging)
    return out


def _checked(staging: Path, repo: str) -> Manifest:
    manifest = read_manifest(staging)
    if manifest.kind != "student" or manifest.status != "complete":
        raise ArtifactError(f"`{repo}` holds a {manifest.status} {manifest.kind}, not a student", hint="name a student")
    return manifest


def _check_content(staging: Path, manifest: Manifest) -> None:
    found = model_files_digest(staging)
    if found != manifest.content_digest:
        raise ArtifactError(
            f"the files' content digest is {found[:12]}, and the manifest says {manifest.content_digest[:12]}",
            hint="it was put together by hand; don't use it",
        )
