"""The hub's errors in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rilctl.errors import CredentialError, RilctlError, UsageError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_CLIENTS = ("httpx", "httpx2", "httpcore", "httpcore2")
"""What the hub's library reaches it with, which depends on its version."""
_NAME = re.compile(r"[^/\s]+/[^/\s]+")
_LOGIN = "`hf auth login`, or a token in `HF_TOKEN`"
_AGAIN = "the same command again goes on where it stopped"


def check_repo(repo: str) -> None:
    """Raise `UsageError` where this can't be the name of a repository."""
    if not _NAME.fullmatch(repo):
        raise _no_name(repo)


def _no_name(repo: str) -> UsageError:
    return UsageError(f"`{repo}` is no name of a repository", hint="write `OWNER/NAME`")


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Whatever the hub's library raises, as an error of ours that names the repository.

    Raises:
        CredentialError: nobody is logged in, the hub doesn't know the token, or its owner may not do this.
        UsageError: no such repository or revision, or no name of one.
        RilctlError: the hub can't be reached, or refuses.
    """
    check_repo(repo)
    try:
        yield
    except Exception as error:
        explained = _explained(repo, error)
        if explained is None:
            raise
        raise explained from error


def _explained(repo: str, error: Exception) -> RilctlError | None:
    """In our words; None where it isn't the hub's."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what kept it from looking elsewhere than in its cache
    if isinstance(error, HFValidationError):
        return _no_name(repo)
    if isinstance(error, HfHubHTTPError):
        return _refusal(repo, error)
    if isinstance(error, OfflineModeIsEnabled):
        return RilctlError(
            f"the hub isn't asked for `{repo}`: this machine is set to stay offline", hint="unset `HF_HUB_OFFLINE`"
        )
    if isinstance(error, RuntimeError):  # of an upload, with what happened as its cause, or of Xet, either way
        return RilctlError(f"a file of `{repo}` didn't get through: {error.__cause__ or error}", hint=_AGAIN)
    if isinstance(error, ConnectionError) or type(error).__module__.split(".")[0] in _CLIENTS:
        return RilctlError(f"the hub can't be reached for `{repo}`: {error}", hint=f"check the network; {_AGAIN}")
    if isinstance(error, OSError) and error.errno is None:  # not the operating system's: a file that came in part
        return RilctlError(f"the hub didn't give all of `{repo}`: {error}", hint=_AGAIN)
    return None


def _refusal(repo: str, error: "HfHubHTTPError") -> RilctlError:
    """What an answer of the hub means; to somebody who may not see a repository, it says that there is none."""
    from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

    status, has_token = error.response.status_code, "authorization" in error.response.request.headers
    if isinstance(error, GatedRepoError):
        hint = f"ask for access on its page{'' if has_token else f', and log in: {_LOGIN}'}"
        return CredentialError(f"`{repo}` is gated: its owner has to let you in", hint=hint)
    if isinstance(error, RevisionNotFoundError):
        return UsageError(f"`{repo}` has no such revision", hint="name a branch, tag or commit of it")
    if status == 401 and not has_token:
        hint = f"check the name; to push, or if it is private: {_LOGIN}"
        return CredentialError(f"the hub was sent no token, and without one it shows no `{repo}`", hint=hint)
    if status == 401:
        return CredentialError(f"the hub doesn't know the token that it was sent for `{repo}`", hint=_LOGIN)
    if status == 403:
        return CredentialError(f"the token may not do this with `{repo}`", hint=f"one that may: {_LOGIN}")
    if status == 404:
        hint = "check the name; if it is private, its owner has to let you in, or you are logged in as somebody else"
        return UsageError(f"the hub has no `{repo}` that you may see", hint=hint)
    return RilctlError(f"the hub refuses `{repo}`: {status}", hint=_AGAIN)
