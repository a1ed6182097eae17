"""What families with a vision tower of CLIP or SigLIP have in common: how its weights are named in files."""

import re

_TOWER = re.compile(r"(^|\.)vision_tower\.(?!vision_model\.)")


def wrapped(name: str) -> str:
    """A weight's name with the tower inside a `vision_model`, as it was when these models were published.

    Since transformers 5.8 the tower has no such part. The library goes on to write the names that it has read, but
    those of a model that it made, or that somebody saved under the new names, no engine knows.
    """
    return _TOWER.sub(r"\1vision_tower.vision_model.", name)
