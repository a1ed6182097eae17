"""Keys: read from where the recipe says, never written anywhere."""

import os
from pathlib import Path

from pydantic import SecretStr

from rilctl.config.endpoints import EndpointConfig
from rilctl.errors import CredentialError


def read_key(endpoint: EndpointConfig, base_dir: Path) -> SecretStr | None:
    """The key that the recipe names, or None where it names none.

    Args:
        endpoint: names an environment variable or a file.
        base_dir: folder that a relative `key_file` starts from.

    Raises:
        CredentialError: it isn't there, is empty, or can't be sent in a header.
    """
    if endpoint.key_env is not None:
        where = f"environment variable `{endpoint.key_env}`"
        key, hint = os.environ.get(endpoint.key_env, ""), f"`export {endpoint.key_env}=…`, then the same command"
        if not key:
            raise CredentialError(f"{where} is not set; {endpoint.host} needs its key", hint=hint)
    elif endpoint.key_file is not None:
        path = base_dir / Path(endpoint.key_file).expanduser()
        where, hint = f"`{path}`", "write the key, and nothing else, into that file"
        try:
            key = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no text"
            raise CredentialError(
                f"the key of {endpoint.host} can't be read from {where}: {reason}", hint=hint
            ) from None
    else:
        return None
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise CredentialError(f"{where} holds no key for {endpoint.host}: one line of plain characters", hint=hint)
    return SecretStr(key)


def key_if_there(endpoint: EndpointConfig, base_dir: Path) -> SecretStr | None:
    """The key, where nothing is sent that needs it; None where it can't be read."""
    try:
        return read_key(endpoint, base_dir)
    except CredentialError:
        return None
