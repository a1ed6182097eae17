"""What a shell offers where a word of ours is expected: keys and tables of a recipe."""


def complete_key(incomplete: str) -> list[str]:
    """A recipe's keys that begin so."""
    from rilctl.config.keys import key_names

    return [name for name in key_names() if name.startswith(incomplete)]


def complete_table(incomplete: str) -> list[str]:
    """A recipe's tables that begin so."""
    from rilctl.config.keys import table_names

    return [name for name in table_names() if name.startswith(incomplete)]


def complete_override(incomplete: str) -> list[str]:
    """A recipe's keys that begin so, each up to where its value begins."""
    return [f"{name}=" for name in complete_key(incomplete)]
