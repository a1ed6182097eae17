"""A response as the call cache holds it."""

from pydantic import JsonValue, ValidationError

from rilctl.engines.generation.base import Response, Usage
from rilctl.errors import ArtifactError
from rilctl.schemas.base import first_problem
from rilctl.schemas.calls import StoredResponse


def packed(response: Response) -> JsonValue:
    """What is stored of a response; see `StoredResponse`."""
    logprobs, usage = response.sampling_logprobs, response.usage
    packed: dict[str, JsonValue] = {
        "text": response.text,
        "token_ids": None if response.token_ids is None else [*response.token_ids],
        "finish_reason": response.finish_reason,
        "sampling_logprobs": None if logprobs is None else [*logprobs],
    }
    return packed if usage is None else packed | {"usage": [usage.input_tokens, usage.output_tokens]}


def unpacked(key: str, value: JsonValue) -> Response:
    """A response as `packed` stored it. Raises `ArtifactError` for anything else."""
    try:
        stored = StoredResponse.model_validate(value)
    except ValidationError as error:
        raise ArtifactError(
            f"the call cache's answer `{key[:12]}` is no response: {first_problem(error)}",
            hint="move `.cache` in the workspace root away and run the same command again; all in it is asked again",
        ) from error
    ids, logprobs, usage = stored.token_ids, stored.sampling_logprobs, stored.usage
    return Response(
        text=stored.text,
        token_ids=None if ids is None else tuple(ids),
        finish_reason=stored.finish_reason,
        sampling_logprobs=None if logprobs is None else tuple(logprobs),
        usage=None if usage is None else Usage(*usage),
    )
