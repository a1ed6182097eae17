"""The hub's errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from rilctl.errors import CredentialError, RilctlError, UsageError

_CLIENTS = ("httpx", "httpx2", "httpcore", "httpcore2")
"""What the hub's library reaches it with, which depends on its version."""


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Whatever the hub's library raises, as an error of ours that names the repository.

    Raises:
        CredentialError: nobody is logged in, or may not do this.
        UsageError: no such repository, or no name of one.
        RilctlError: the hub can't be reached, or refuses.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    again = "the same command again goes on where it stopped"
    try:
        yield
    except HFValidationError as error:
        raise UsageError(f"`{repo}` is no name of a repository", hint="`OWNER/NAME`") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise CredentialError(
                f"the hub refuses `{repo}`: {status}",
                hint="`hf auth login` with a token that may do this, or `HF_TOKEN`",
            ) from error
        if status == 404:
            raise UsageError(
                f"the hub has no `{repo}`, or hides it from you", hint="`hf auth login`, if it is private"
            ) from error
        raise RilctlError(f"the hub refuses `{repo}`: {status}", hint=again) from error
    except RuntimeError as error:  # of an upload, with what happened as its cause
        raise RilctlError(f"the hub didn't take a file for `{repo}`: {error.__cause__ or error}", hint=again) from error
    except Exception as error:
        if not isinstance(error, ConnectionError) and type(error).__module__.split(".")[0] not in _CLIENTS:
            raise
        raise RilctlError(f"the hub can't be reached for `{repo}`: {error}", hint=again) from error
