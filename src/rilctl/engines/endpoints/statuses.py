"""What a status other than 200 means."""

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints.connection import Answer
from rilctl.engines.endpoints.error_bodies import error_code, error_message, is_about_content, quoted
from rilctl.engines.endpoints.failures import MAX_PAUSE_S, Retriable, read_retry_after
from rilctl.engines.endpoints.masking import Mask
from rilctl.engines.endpoints.replies import read_object
from rilctl.errors import CredentialError, EndpointError, InputError, RowError

NOTHING_LOST = "answers that came are kept; the same command asks for the rest"
_NOT_UP_YET = (502, 503, 504)
"""What a server says while it loads, or a proxy before it."""


def error_of(answer: Answer, endpoint: EndpointConfig, mask: Mask, *, model: object, was_answered: bool) -> Exception:
    """The exception that stands for a status.

    Args:
        answer: what came.
        endpoint: who sent it.
        mask: for what is said in messages.
        model: the model's name in the request.
        was_answered: whether the endpoint answered anything before.
    """
    said, code = _said(answer.content)
    status, said, host = answer.status, mask.message(said), endpoint.host
    message = f"{host} answers {status}" + (f": {said}" if said else "")
    if status in (400, 403) and is_about_content(said, code):
        return RowError("content-filter", message)
    if status in (401, 403):
        named = endpoint.key_env or endpoint.key_file
        which = f"the key in `{named}`" if named else "a request without a key (`key_env` names one)"
        return CredentialError(f"{host} refuses {which}: {status} {said}".rstrip(), hint=NOTHING_LOST)
    if status == 402 or code == "insufficient_quota":
        return EndpointError(f"the account is used up: {message}", hint=NOTHING_LOST)
    if status in (404, 405) or 300 <= status < 400:
        location = answer.headers.get("location", "")
        moved = f", it points to {mask.message(quoted(location.encode()))}" if location else ""
        return InputError(
            f"no chat completions of `{model}` at {endpoint.url}: {message}{moved}",
            hint="check `model` and `endpoint.url`, which ends before `/chat/completions`",
        )
    if status in (408, 409, 425, 429) or status >= 500:
        asked_for = answer.headers.get("retry-after")
        pause_s = read_retry_after(asked_for)
        if asked_for is not None and pause_s == MAX_PAUSE_S:
            message += f"; it asks for a pause (`Retry-After: {mask.message(quoted(asked_for.encode()))}`)"
        if status in _NOT_UP_YET and not was_answered:
            return Retriable("endpoint-unreachable", message, pause_s=pause_s, absent=f"HTTP {status}")
        return Retriable("rate-limited" if status == 429 else "endpoint-error", message, pause_s=pause_s)
    return RowError("request-refused", message)


def _said(content: bytes) -> tuple[str, str]:
    """Message and code of an error body."""
    try:
        parsed = read_object(content)
    except Retriable:
        return quoted(content), ""
    return error_message(parsed), error_code(parsed)
